// The Node side of core's ports: a clock with Node's two flush points.
import type { Clock } from "./clock.ts";
import { timerWheel } from "./timer-wheel.ts";

/**
 * The clock of this process. `turnEnd` runs when the microtask queue has drained (so replies of handlers that only awaited
 * settled promises go out in one write), `loopEnd` in the check phase, when all sockets that were ready have been read.
 */
export function nodeClock(): Clock {
  const wheel = timerWheel({ now: () => performance.now(), schedule: (ms, run) => setTimeout(run, ms).unref(), cancel: (handle) => clearTimeout(handle as NodeJS.Timeout) });
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    after: wheel.after,
    turnEnd: (run) => queueMicrotask(() => process.nextTick(run)),
    loopEnd: (run) => void setImmediate(run),
  };
}
