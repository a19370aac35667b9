// The load of `raceway bench`: callers who wait for their replies, or calls that begin when they are due.
import type { Latencies } from "./latencies.ts";

/** Calls in flight at which a server that does not keep up is left alone; those that are due beyond are counted as not sent. */
const MOST_IN_FLIGHT = 10_000;
/** After a failed call: a server that refuses at once would be asked a million times a second. */
export const AFTER_FAILURE_MS = 10;

export interface LoadTimes {
  /** When it ends, in milliseconds of `performance.now`. */
  readonly until: number;
  /** Somebody ends it before. */
  readonly signal: AbortSignal;
  /** What has no reply by then gets none: the calls are aborted, and counted as "unanswered". */
  readonly late: AbortSignal;
}

/** Each caller calls again as soon as it has its reply. `call` gets the caller's number. */
export async function closedLoop(
  callers: number,
  call: (caller: number) => Promise<unknown>,
  latencies: Latencies,
  { until, signal, late }: LoadTimes,
): Promise<void> {
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      while (performance.now() < until && !signal.aborted) {
        const began = performance.now();
        try {
          await call(caller);
          latencies.succeeded(began, performance.now());
        } catch (error) {
          if (signal.aborted) return; // it was ended by us
          if (late.aborted) return latencies.count("unanswered");
          latencies.failed(error, performance.now());
          await new Promise((resolve) => void setTimeout(resolve, AFTER_FAILURE_MS));
        }
      }
    }),
  );
}

/** A call begins each 1/`perSecond` seconds, whatever became of those before; it counts from when it was due. */
export async function openLoop(
  perSecond: number,
  call: (number: number) => Promise<unknown>,
  latencies: Latencies,
  { until, signal, late }: LoadTimes,
): Promise<void> {
  const start = performance.now();
  let inFlight = 0;
  let sent = 0;
  const running = new Set<Promise<void>>();
  const begin = (due: number): void => {
    if (inFlight >= MOST_IN_FLIGHT) {
      latencies.count("not_sent");
      return;
    }
    inFlight++;
    const one = call(sent)
      .then(
        () => latencies.succeeded(due, performance.now()),
        (error: unknown) => {
          if (signal.aborted) return; // it was ended by us
          if (late.aborted) latencies.count("unanswered");
          else latencies.failed(error, performance.now());
        },
      )
      .finally(() => {
        inFlight--;
        running.delete(one);
      });
    running.add(one);
  };
  while (performance.now() < until && !signal.aborted) {
    const due = Math.floor(((performance.now() - start) / 1000) * perSecond);
    for (; sent <= due; sent++) begin(start + (sent / perSecond) * 1000);
    await new Promise((resolve) => void setTimeout(resolve, 1));
  }
  await Promise.all(running);
}
