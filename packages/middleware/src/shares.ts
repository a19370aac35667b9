// How much of something each one has on this node at a time, and that no one has more than his share.
import { fail } from "@raceway/core";

/** A wait that makes sense for what ends when somebody closes it, in milliseconds. */
const RETRY_MS = 1_000;

export class Shares {
  readonly #what: string;
  readonly #scope: "principal" | "address";
  readonly #most: number;
  readonly #held = new Map<string, number>();

  /** `what`, in the plural, is for people; `most` 0 for no limit. */
  constructor(what: string, scope: "principal" | "address", most: number) {
    this.#what = what;
    this.#scope = scope;
    this.#most = most;
  }

  get limited(): boolean {
    return this.#most > 0;
  }

  /** One more for `who`, until `ended`. Throws `share_used_up`. */
  take(who: string, ended: AbortSignal): void {
    if (!this.limited || ended.aborted) return;
    const count = this.#held.get(who) ?? 0;
    if (count >= this.#most)
      throw fail("share_used_up", {
        what: this.#what,
        scope: this.#scope,
        count,
        limit: this.#most,
        retryAfterMs: RETRY_MS,
      });
    this.#held.set(who, count + 1);
    ended.addEventListener(
      "abort",
      () => {
        const left = this.#held.get(who)! - 1;
        if (left > 0) this.#held.set(who, left);
        else this.#held.delete(who);
      },
      { once: true },
    );
  }
}
