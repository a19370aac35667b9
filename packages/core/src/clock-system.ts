// A clock for hosts that have none of their own: browsers, workers, edge runtimes.
import type { Clock } from "./clock.ts";
import { timerWheel } from "./timer-wheel.ts";

/** The clock of this page or worker; needs `performance`, `setTimeout` and `queueMicrotask`, and uses `MessageChannel` where there is one. */
export function systemClock(): Clock {
  const wheel = timerWheel({
    now: () => performance.now(),
    schedule: (ms, run) => setTimeout(run, ms),
    cancel: (handle) => clearTimeout(handle as ReturnType<typeof setTimeout>),
  });
  return {
    now: () => performance.now(),
    wallNow: () => Date.now(),
    after: wheel.after,
    soon(ms, run) {
      const handle = setTimeout(run, ms);
      return { [Symbol.dispose]: () => clearTimeout(handle) };
    },
    // Two hops: handlers that await what is settled already go on in the first.
    turnEnd: (run) => queueMicrotask(() => queueMicrotask(run)),
    loopEnd: loopEnd(),
  };
}

/**
 * `setTimeout` waits 4 ms at least once it is nested (HTML, "timer initialisation steps"), a message to oneself does not. Node has the real thing,
 * and there an open port that listens would keep the process alive for ever (clock-system.test.ts).
 */
function loopEnd(): (run: () => void) => void {
  const { setImmediate } = globalThis as { readonly setImmediate?: (run: () => void) => unknown };
  if (setImmediate !== undefined) return (run) => void setImmediate(run);
  if (typeof MessageChannel === "undefined") return (run) => void setTimeout(run, 0);
  let waiting: (() => void)[] = [];
  const { port1, port2 } = new MessageChannel();
  port1.onmessage = () => {
    const due = waiting;
    waiting = [];
    for (const run of due) run();
  };
  return (run) => {
    if (waiting.push(run) === 1) port2.postMessage(undefined);
  };
}
