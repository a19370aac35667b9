// The load of `raceway bench` on streams: what is sent without being asked for, and conversations.
import type { Latencies } from "./latencies.ts";
import { AFTER_FAILURE_MS } from "./load.ts";

export interface StreamTimes {
  /** What comes between these counts, in milliseconds of `performance.now`. */
  readonly from: number;
  readonly until: number;
  readonly signal: AbortSignal;
}

/** Opens the stream of this number. It is to end when the signal is aborted. */
export type OpenStream = (nth: number, signal: AbortSignal) => AsyncIterable<unknown>;
/** The same of a conversation, which says these messages. */
export type OpenConversation<M> = (
  nth: number,
  messages: AsyncIterable<M>,
  signal: AbortSignal,
) => AsyncIterable<unknown>;

/**
 * Reads so many streams at once, and gives the number of messages that came in the measured time. `again`: one that ended is opened anew, one that
 * failed after a pause; its latency is the time to its first message, or to its end if there is none. Without, whoever opens it says when it is open.
 */
export function readStreams(
  count: number,
  open: OpenStream,
  again: boolean,
  latencies: Latencies,
  times: StreamTimes,
): Promise<number> {
  let received = 0;
  return untilTheEnd(count, times, async (nth, over) => {
    do {
      const began = performance.now();
      let isFirst = again;
      const opened = (now: number): void => {
        if (isFirst) latencies.succeeded(began, now);
        isFirst = false;
      };
      try {
        for await (const _ of open(nth, over)) {
          const now = performance.now();
          opened(now);
          if (now >= times.from && now < times.until) received++;
        }
        if (!over.aborted) opened(performance.now());
      } catch (error) {
        if (over.aborted) return;
        latencies.failed(error, performance.now());
        if (again) await pause();
      }
    } while (again && !over.aborted);
  }).then(() => received);
}

/**
 * Holds so many conversations at once: each says a message, waits for what comes next, and says the next. What that takes are the latencies; given is
 * the number of messages that came in the measured time, which may be more. One in which nothing ever came is counted as `unanswered`.
 */
export function converse<M>(
  count: number,
  message: M,
  open: OpenConversation<M>,
  latencies: Latencies,
  times: StreamTimes,
): Promise<number> {
  let received = 0;
  return untilTheEnd(count, times, async (nth, over) => {
    let answered = false;
    let failed = false;
    while (!over.aborted) {
      let saidAt: number | undefined;
      let turn = Promise.withResolvers<void>();
      const messages = async function* (): AsyncGenerator<M> {
        while (!over.aborted) {
          saidAt = performance.now();
          yield message;
          await turn.promise;
          turn = Promise.withResolvers();
        }
      };
      const leave = (): void => turn.resolve();
      over.addEventListener("abort", leave);
      try {
        for await (const _ of open(nth, messages(), over)) {
          const now = performance.now();
          answered = true;
          if (now >= times.from && now < times.until) received++;
          if (saidAt === undefined) continue; // more than was asked for
          latencies.succeeded(saidAt, now);
          saidAt = undefined;
          turn.resolve();
        }
      } catch (error) {
        if (over.aborted) break;
        failed = true;
        latencies.failed(error, performance.now());
        await pause();
      } finally {
        over.removeEventListener("abort", leave);
        turn.resolve(); // its messages end, too
      }
    }
    if (!answered && !failed && !times.signal.aborted) latencies.count("unanswered");
  }).then(() => received);
}

/** Runs all of them until the time is over, or all have ended. */
async function untilTheEnd(
  count: number,
  { until, signal }: StreamTimes,
  run: (nth: number, over: AbortSignal) => Promise<void>,
): Promise<void> {
  const ending = new AbortController();
  const end = (): void => ending.abort();
  const timer = setTimeout(end, Math.max(0, until - performance.now()));
  signal.addEventListener("abort", end);
  if (signal.aborted) end();
  try {
    await Promise.all(Array.from({ length: count }, (_, nth) => run(nth, ending.signal)));
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  }
}

const pause = (): Promise<void> => new Promise((resolve) => void setTimeout(resolve, AFTER_FAILURE_MS));
