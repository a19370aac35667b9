// A wait that ends at once when nobody wants what comes after it.
import type { ConnectError } from "@connectrpc/connect";
import { type Clock, fail } from "@raceway/core";

/** Resolves after `ms` milliseconds. Rejects with `call_cancelled` as soon as one of the signals is aborted. */
export function pause(clock: Clock, ms: number, signals: readonly AbortSignal[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = signals.find((signal) => signal.aborted);
    if (aborted !== undefined) return reject(cancelled(aborted.reason));
    const leave = (): void => {
      timer[Symbol.dispose]();
      for (const signal of signals) signal.removeEventListener("abort", abort);
    };
    const abort = (event: Event): void => {
      leave();
      reject(cancelled((event.target as AbortSignal).reason));
    };
    const timer = clock.after(ms, () => {
      leave();
      resolve();
    });
    for (const signal of signals) signal.addEventListener("abort", abort);
  });
}

function cancelled(reason: unknown): ConnectError {
  const error = fail("call_cancelled");
  error.cause = reason;
  return error;
}
