// Client: calls that failed for a passing reason are made again, where that is safe, after a while, and within a budget.
import { Code, ConnectError, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type OptionsOf,
  type Plugin,
  type Random,
  definePlugin,
  resolveOptions,
  retryAfterMs,
} from "@raceway/core";
import { Budget } from "./budget.ts";
import { checkChannelNames, checkNumbers, isNamed, settingOf } from "./channel-settings.ts";
import { codeName, codesOf } from "./codes.ts";
import { firstMessage } from "./first-message.ts";
import { pause } from "./pause.ts";

export const retryOptions = {
  /** Attempts of a call in all, where neither schema (`max_retries`) nor `channels` say anything. */
  attempts: { kind: "number", default: 3, min: 1, max: 20, unit: "count" },
  /** Upper bound of the first wait; it doubles with each attempt. The wait is anything up to the bound (full jitter), so that those who failed together do not come back together. */
  firstMs: { kind: "number", default: 100, min: 0, max: 600_000, unit: "ms" },
  /** No bound is higher. */
  capMs: { kind: "number", default: 5_000, min: 0, max: 600_000, unit: "ms" },
  /** What a server asks for (`RetryInfo`) is waited for if it is no longer than this; else its error is the answer. */
  patienceMs: { kind: "number", default: 30_000, min: 0, max: 86_400_000, unit: "ms" },
  /** Codes after which a call is made again. `resource_exhausted` counts only if the error says after how long: what is too large stays so. */
  codes: { kind: "list", default: ["unavailable", "resource_exhausted"] },
  /** So many attempts may be made beyond the first ones at once, over all calls of the connection. */
  budget: { kind: "number", default: 10, min: 0, max: 1_000_000, unit: "count" },
  /** Each call that is made allows so many more: 0.1 is one in ten calls over time. */
  budgetShare: { kind: "number", default: 0.1, min: 0, max: 20, unit: "ratio" },
  /** Channels whose calls may be made again though the schema does not say that this is safe. */
  unsafe: { kind: "list", default: [] },
} as const;

export type RetryOptions = OptionsOf<typeof retryOptions> & {
  /** Attempts in all by channel, "package.Service/Method" or "package.Service/*"; 1 for none but the first. */
  readonly channels?: Readonly<Record<string, number>>;
};

/** Header by which a server knows a call again (`@raceway/server` runs the handler once for each key). */
const KEY_HEADER = "idempotency-key";

/**
 * Repeats calls of methods that are marked `IDEMPOTENT` or `NO_SIDE_EFFECTS`. All attempts of an idempotent call have one key, so its handler runs once: what is repeated
 * with effect are refusals before the handler, and replies that were lost. A stream is repeated only as long as nothing of it has come, and only without side effects.
 */
export function retry(given: RetryOptions = {}): Plugin {
  const { channels, ...rest } = given;
  const options = resolveOptions("retry", retryOptions, rest);
  checkNumbers("retry", "channels", channels, retryOptions.attempts);
  checkChannelNames("retry", "unsafe", options.unsafe);
  const codes = codesOf("retry", "codes", options.codes);
  const { firstMs, capMs, patienceMs } = options;
  /** Milliseconds to wait after this many attempts; undefined: the error is the answer. */
  const waitAfter = (error: ConnectError, attempts: number, random: Random): number | undefined => {
    const hint = retryAfterMs(error);
    if (!codes.has(error.code) || (error.code === Code.ResourceExhausted && hint === undefined)) return undefined;
    if (hint !== undefined && hint > patienceMs) return undefined;
    return (hint ?? 0) + random.next() * Math.min(capMs, firstMs * 2 ** (attempts - 1));
  };
  return definePlugin({
    name: "retry",
    after: ["timeout"],
    before: ["hedging", "circuit-breaker", "attempt-timeout"],
    start: ({ clock, random, log, draining }) => {
      const budget = new Budget(options.budget, options.budgetShare);
      return {
        call(channel) {
          const { maxRetries } = channel.contract;
          const most = settingOf(channel, channels) ?? (maxRetries === undefined ? options.attempts : maxRetries + 1);
          if (most <= 1 || !isRepeatable(channel, options.unsafe)) return undefined;
          const keyed = channel.desc.methodKind === "unary" && channel.contract.idempotency === "idempotent";
          return (next) =>
            async function retry(request) {
              budget.earn();
              const { signal } = request;
              const again = await repeatable(request);
              const header = new Headers(request.header);
              if (keyed && !header.has(KEY_HEADER)) header.set(KEY_HEADER, newKey(random));
              for (let attempts = 1; ; attempts++) {
                try {
                  return await next({ ...again(), header: new Headers(header) });
                } catch (cause) {
                  const error = ConnectError.from(cause);
                  const waitMs = attempts < most ? waitAfter(error, attempts, random) : undefined;
                  if (waitMs === undefined || signal.aborted || draining.aborted || !budget.spend()) throw error;
                  log.debug("a call is made again", {
                    channel: channel.path,
                    attempts,
                    code: codeName(error.code),
                    waitMs: Math.round(waitMs),
                  });
                  await pause(clock, waitMs, [signal, draining]);
                }
              }
            };
        },
      };
    },
  });
}

/** Topics recover by themselves, signals may be lost, and what the caller streams is gone once it was sent. */
function isRepeatable(channel: ChannelInfo, unsafe: readonly string[]): boolean {
  const { desc, contract } = channel;
  const told = isNamed(channel, unsafe);
  if (desc.methodKind === "unary") return told || contract.idempotency !== undefined;
  return (
    desc.methodKind === "server_streaming" &&
    contract.kind === "feed" &&
    (told || contract.idempotency === "no-side-effects")
  );
}

/** The request, as often as it is wanted. */
async function repeatable(request: UnaryRequest | StreamRequest): Promise<() => UnaryRequest | StreamRequest> {
  if (!request.stream) return () => request;
  const { first, rest } = await firstMessage(request.message);
  if (first === undefined) return () => ({ ...request, message: rest });
  return () => ({ ...request, message: single(first) });
}

async function* single<T>(message: T): AsyncGenerator<T> {
  yield message;
}

function newKey(random: Random): string {
  return Array.from(random.bytes(16), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
