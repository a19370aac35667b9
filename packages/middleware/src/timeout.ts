// Calls that take too long end with `deadline_exceeded`: the whole call by `timeout`, each attempt of it by `attemptTimeout`.
import { type ConnectError, type ContextKey, createContextKey } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type Clock,
  type OptionsOf,
  type Plugin,
  definePlugin,
  fail,
  resolveOptions,
} from "@raceway/core";
import { checkNumbers, settingOf } from "./channel-settings.ts";

export const timeoutOptions = {
  /** A call with one answer ends after so long, where neither schema nor `channels` say anything; 0 for no limit. */
  ms: { kind: "number", default: 15_000, min: 0, max: 86_400_000, unit: "ms" },
} as const;
export const attemptTimeoutOptions = {
  /** An attempt ends when it has no answer after so long; 0 for no limit but those of `channels`. */
  attemptMs: { kind: "number", default: 5_000, min: 0, max: 86_400_000, unit: "ms" },
} as const;

interface PerChannel {
  /** Milliseconds by channel, "package.Service/Method" or "package.Service/*"; 0 for no limit. */
  readonly channels?: Readonly<Record<string, number>>;
}
export type TimeoutOptions = OptionsOf<typeof timeoutOptions> & PerChannel;
export type AttemptTimeoutOptions = OptionsOf<typeof attemptTimeoutOptions> & PerChannel;

/** For one call, in its context values: milliseconds in place of what `timeout` would give it; 0 for no limit. */
export const timeLimitMs: ContextKey<number | undefined> = createContextKey<number | undefined>(undefined, {
  description: "time limit",
});

/**
 * Client: ends calls with `call_deadline` when they take too long, all their attempts and waits together. Streams that the server or both sides write have no
 * limit unless the schema (`timeout_ms`) or `channels` gives them one; then it is for the whole stream. A deadline that the caller gives counts beside it.
 */
export function timeout(given: TimeoutOptions = {}): Plugin {
  const { channels, ...rest } = given;
  const options = resolveOptions("timeout", timeoutOptions, rest);
  checkNumbers("timeout", "channels", channels, timeoutOptions.ms);
  return definePlugin({
    name: "timeout",
    before: ["retry", "hedging", "circuit-breaker", "attempt-timeout"],
    start: ({ clock }) => ({
      call(channel) {
        const ms =
          settingOf(channel, channels) ?? channel.contract.timeoutMs ?? (hasOneAnswer(channel) ? options.ms : 0);
        return (next) =>
          async function timeout(request) {
            const limit = request.contextValues.get(timeLimitMs) ?? ms;
            if (Number.isNaN(limit))
              throw fail("option_invalid", {
                part: "timeout",
                option: "timeLimitMs",
                value: "NaN",
                expected: "milliseconds, 0 for no limit",
              });
            if (limit === 0) return next(request);
            const life = new Life(clock, limit, request.signal);
            try {
              const response = await next({ ...request, signal: life.signal });
              if (!response.stream) {
                life.over();
                return response;
              }
              return { ...response, message: life.read(response.message) };
            } catch (error) {
              life.over();
              throw life.late ?? error;
            }
          };
      },
    }),
  });
}

/** Client: ends one attempt with `call_deadline` when it has no answer in time, so that `retry` may make another, and `circuitBreaker` sees what is slow. Of streams only the beginning counts. */
export function attemptTimeout(given: AttemptTimeoutOptions = {}): Plugin {
  const { channels, ...rest } = given;
  const options = resolveOptions("attempt-timeout", attemptTimeoutOptions, rest);
  checkNumbers("attempt-timeout", "channels", channels, attemptTimeoutOptions.attemptMs);
  return definePlugin({
    name: "attempt-timeout",
    after: ["timeout", "retry", "hedging", "circuit-breaker"],
    start: ({ clock }) => ({
      call(channel) {
        const ms = settingOf(channel, channels) ?? (channel.desc.methodKind === "unary" ? options.attemptMs : 0);
        if (ms === 0) return undefined;
        return (next) =>
          async function attemptTimeout(request) {
            const life = new Life(clock, ms, request.signal);
            try {
              const response = await next({ ...request, signal: life.signal });
              if (response.stream) life.begun();
              else life.over();
              return response;
            } catch (error) {
              life.over();
              throw life.late ?? error;
            }
          };
      },
    }),
  });
}

function hasOneAnswer({ desc, contract }: ChannelInfo): boolean {
  return (desc.methodKind === "unary" || desc.methodKind === "client_streaming") && contract.kind !== "signal";
}

/** The time that a call has: its signal is aborted by whoever asked for it, or when the time is over. */
class Life {
  readonly #own = new AbortController();
  readonly #asked: AbortSignal;
  readonly #timer: Disposable;
  readonly #abort = (): void => this.#own.abort(this.#asked.reason);
  /** Why it ended, if it took too long. */
  late: ConnectError | undefined;

  constructor(clock: Clock, ms: number, asked: AbortSignal) {
    this.#asked = asked;
    asked.addEventListener("abort", this.#abort);
    if (asked.aborted) this.#abort();
    this.#timer = clock.after(ms, () => {
      this.late = fail("call_deadline", { ms });
      this.#own.abort(this.late);
    });
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Its time no longer counts; the caller may still end it. */
  begun(): void {
    this.#timer[Symbol.dispose]();
  }
  over(): void {
    this.begun();
    this.#asked.removeEventListener("abort", this.#abort);
  }

  async *read<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    try {
      yield* messages;
    } catch (error) {
      throw this.late ?? error;
    } finally {
      this.over();
    }
  }
}
