// Client: a call that has no answer after a while is made once more beside the first; the first answer counts, the others are cancelled.
import { Code, ConnectError, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import {
  type Clock,
  type OptionsOf,
  type Plugin,
  type Timer,
  definePlugin,
  fail,
  resolveOptions,
  retryAfterMs,
} from "@raceway/core";
import { Budget } from "./budget.ts";
import { checkNumbers, settingOf } from "./channel-settings.ts";
import { Latencies } from "./latencies.ts";

export const hedgingOptions = {
  /** A call of which nothing was heard for so long is made once more, and again after as long; 0 for not before the percentile is known. */
  afterMs: { kind: "number", default: 1_000, min: 0, max: 3_600_000, unit: "ms" },
  /** Once 20 calls of a channel were answered, the time in which so many of a hundred of the last were done takes the place of `afterMs`; 0 for always `afterMs`. */
  percentile: { kind: "number", default: 95, min: 0, max: 100, unit: "ratio" },
  /** Never sooner than so, whatever the percentile says. */
  leastMs: { kind: "number", default: 10, min: 0, max: 3_600_000, unit: "ms" },
  /** Attempts of a call in all. */
  attempts: { kind: "number", default: 2, min: 1, max: 10, unit: "count" },
  /** So many attempts may be made beyond the first ones at once, over all calls of the connection. */
  budget: { kind: "number", default: 5, min: 0, max: 1_000_000, unit: "count" },
  /** Each call that is made allows so many more: 0.05 is one in twenty calls over time. */
  budgetShare: { kind: "number", default: 0.05, min: 0, max: 10, unit: "ratio" },
} as const;

export type HedgingOptions = OptionsOf<typeof hedgingOptions> & {
  /** Milliseconds by channel, "package.Service/Method" or "package.Service/*", in place of `afterMs` and the percentile; 0 for no second attempt. */
  readonly channels?: Readonly<Record<string, number>>;
};

/** Codes after which another attempt may still have a better answer; any other is the answer. */
const passing: ReadonlySet<Code> = new Set([
  Code.Unavailable,
  Code.DeadlineExceeded,
  Code.ResourceExhausted,
  Code.Aborted,
  Code.Internal,
  Code.Unknown,
]);

type Next = (request: UnaryRequest) => Promise<UnaryResponse>;

/** Hedges unary calls of methods that are marked `NO_SIDE_EFFECTS`, and no others: several of them run at a time. */
export function hedging(given: HedgingOptions = {}): Plugin {
  const { channels, ...rest } = given;
  const options = resolveOptions("hedging", hedgingOptions, rest);
  checkNumbers("hedging", "channels", channels, hedgingOptions.afterMs);
  return definePlugin({
    name: "hedging",
    after: ["timeout", "retry"],
    before: ["circuit-breaker", "attempt-timeout"],
    start: ({ clock }) => {
      const budget = new Budget(options.budget, options.budgetShare);
      return {
        call(channel) {
          const { methodKind } = channel.desc;
          const fixed = settingOf(channel, channels);
          const isSafe = methodKind === "unary" && channel.contract.idempotency === "no-side-effects";
          if (!isSafe || fixed === 0 || options.attempts === 1) return undefined;
          const latencies = new Latencies(options.percentile);
          const learns = fixed === undefined && options.percentile > 0;
          const delayMs = (): number => {
            const usual = learns ? latencies.value : undefined;
            return usual === undefined ? (fixed ?? (options.afterMs || Infinity)) : Math.max(options.leastMs, usual);
          };
          return (next) =>
            function hedging(request) {
              if (request.stream) return next(request);
              budget.earn();
              return new Hedged({
                next: next as Next,
                request,
                clock,
                attempts: options.attempts,
                delayMs: delayMs(),
                budget,
                answered: (ms) => latencies.add(ms),
              }).answer;
            };
        },
      };
    },
  });
}

interface HedgedInit {
  readonly next: Next;
  readonly request: UnaryRequest;
  readonly clock: Clock;
  readonly attempts: number;
  readonly delayMs: number;
  readonly budget: Budget;
  /** The first answer took so long, from the first attempt on. */
  answered(ms: number): void;
}

/** One call and its attempts. */
class Hedged {
  readonly answer: Promise<UnaryResponse>;
  readonly #init: HedgedInit;
  readonly #running = new Set<AbortController>();
  readonly #begunAt: number;
  readonly #resolve: (response: UnaryResponse) => void;
  readonly #reject: (error: unknown) => void;
  #begun = 0;
  #timer: Timer | undefined;
  #over = false;
  readonly #abort = (): void => this.#settle();

  constructor(init: HedgedInit) {
    this.#init = init;
    const { promise, resolve, reject } = Promise.withResolvers<UnaryResponse>();
    this.answer = promise;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#begunAt = init.clock.now();
    init.request.signal.addEventListener("abort", this.#abort);
    void this.#attempt();
  }

  async #attempt(): Promise<void> {
    const { next, request, clock, attempts, delayMs, budget } = this.#init;
    const own = new AbortController();
    this.#running.add(own);
    if (++this.#begun < attempts && delayMs < Infinity)
      this.#timer = clock.after(delayMs, () => {
        if (budget.spend()) void this.#attempt();
      });
    try {
      const signal = AbortSignal.any([request.signal, own.signal]);
      const response = await next({ ...request, header: new Headers(request.header), signal });
      this.#running.delete(own);
      if (!this.#over) this.#init.answered(clock.now() - this.#begunAt);
      this.#settle();
      this.#resolve(response);
    } catch (cause) {
      this.#running.delete(own);
      const error = ConnectError.from(cause);
      if (retryAfterMs(error) !== undefined) this.#timer?.[Symbol.dispose](); // the server has enough to do
      if (this.#running.size > 0 && passing.has(error.code)) return;
      this.#settle();
      this.#reject(error);
    }
  }

  /** There is an answer, or nobody wants one any more. */
  #settle(): void {
    if (this.#over) return;
    this.#over = true;
    this.#timer?.[Symbol.dispose]();
    this.#init.request.signal.removeEventListener("abort", this.#abort);
    for (const each of this.#running) each.abort(fail("call_cancelled"));
  }
}
