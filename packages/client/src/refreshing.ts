// Something that is asked for again and again, and whose last answer is good until there is a better one.
import { type Host, type Timer, fail, learn } from "@raceway/core";
import { discoveryReasons } from "@raceway/core/internal";

// Said here, so that only pages with a discovery have it.
learn(discoveryReasons);

/** An answer that takes longer counts as none. */
const ANSWER_MS = 10_000;

export interface Refreshing<T> extends Disposable {
  /** The last answer; a promise while there was none. Rejects with `discovery_failed`. */
  readonly known: T | Promise<T>;
}

/** `ask` is called at once, and then every `everyMs`, a tenth more or less, so that not all clients ask in step. */
export function refreshing<T extends object>(
  host: Host,
  source: string,
  everyMs: number,
  ask: (signal: AbortSignal) => Promise<T>,
): Refreshing<T> {
  const { clock, random, log } = host;
  let last: T | undefined;
  let asking: Promise<T> | undefined;
  let over = false;
  let timer: Timer | undefined;

  const once = async (): Promise<T> => {
    const giveUp = new AbortController();
    const late = clock.after(ANSWER_MS, () => giveUp.abort(new Error(`no answer within ${ANSWER_MS} ms`)));
    try {
      const aborted = new Promise<never>((_, reject) =>
        giveUp.signal.addEventListener("abort", () => reject(giveUp.signal.reason as Error)),
      );
      last = await Promise.race([ask(giveUp.signal), aborted]);
      return last;
    } catch (cause) {
      const error = fail("discovery_failed", {
        source,
        detail: cause instanceof Error ? cause.message : String(cause),
      });
      log.warn("servers were not found anew", { source, error: error.rawMessage });
      throw error;
    } finally {
      late[Symbol.dispose]();
      asking = undefined;
      timer?.[Symbol.dispose]();
      if (!over) timer = clock.after(everyMs * (0.9 + 0.2 * random.next()), quietly);
    }
  };
  const again = (): Promise<T> => (asking ??= once());
  const quietly = (): void => void again().catch(() => {}); // said to the log; whoever asks is told
  quietly();
  return {
    get known() {
      return last ?? again();
    },
    [Symbol.dispose]() {
      over = true;
      timer?.[Symbol.dispose]();
    },
  };
}
