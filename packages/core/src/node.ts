// The Node side of core's ports: a clock with Node's two flush points.
import type { Clock } from "./clock.ts";
import { timerWheel } from "./timer-wheel.ts";

/** What is used of Node, named here so that the rest of core is compiled without Node's types. */
interface NodeGlobals {
  readonly process: { nextTick(run: () => void): void };
  setImmediate(run: () => void): unknown;
  setTimeout(run: () => void, ms: number): { unref(): unknown };
  clearTimeout(handle: unknown): void;
}

/**
 * The clock of this process. `turnEnd` runs when the microtask queue has drained (so replies of handlers that only awaited
 * settled promises go out in one write), `loopEnd` in the check phase, when all sockets that were ready have been read.
 * Its timers do not keep the process alive.
 */
export function nodeClock(): Clock {
  const node = globalThis as unknown as NodeGlobals;
  const wheel = timerWheel({
    now: () => performance.now(),
    schedule: (ms, run) => node.setTimeout(run, ms).unref(),
    cancel: (handle) => node.clearTimeout(handle),
  });
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    after: wheel.after,
    soon(ms, run) {
      const handle = node.setTimeout(run, ms);
      handle.unref();
      return { [Symbol.dispose]: () => node.clearTimeout(handle) };
    },
    turnEnd: (run) => queueMicrotask(() => node.process.nextTick(run)),
    loopEnd: (run) => void node.setImmediate(run),
  };
}
