// May new sessions and calls come, and if not, why: while the server drains, while the store does not answer, while a plugin says that it cannot do its part.
import type { Clock, Logger, Store } from "@raceway/core";

export interface Readiness {
  readonly status: "serving" | "draining" | "unready";
  /** Unready: who is not; "store", or the names of plugins. */
  readonly failing: readonly string[];
}

/** One of whom it depends. */
export interface Dependency {
  readonly name: string;
  healthy(): boolean | Promise<boolean>;
}

/** An answer that takes longer counts as none, in milliseconds. */
const ANSWER_MS = 1_000;
/** What was found holds so long: however many ask, dependencies are asked no more often. */
const FRESH_MS = 1_000;
/** While somebody watches, it is found out anew so often. */
const WATCH_MS = 2_000;

const serving: Readiness = { status: "serving", failing: [] };
const draining: Readiness = { status: "draining", failing: [] };

export class ReadinessProbe implements Disposable {
  readonly #dependencies: readonly Dependency[];
  readonly #welcome: () => boolean;
  readonly #clock: Clock;
  readonly #log: Logger;
  readonly #watchers = new Set<() => void>();
  #found: { readonly readiness: Promise<Readiness>; readonly at: number } | undefined;
  #failing = "";
  #timer: Disposable | undefined;

  /** `welcome`: undefined reasons apart, may new sessions come? */
  constructor(
    { clock, log, store }: { readonly clock: Clock; readonly log: Logger; readonly store: Store },
    plugins: readonly Dependency[],
    welcome: () => boolean,
  ) {
    this.#clock = clock;
    this.#log = log;
    this.#welcome = welcome;
    const reads = async (): Promise<boolean> => {
      await store.get("raceway readiness");
      return true;
    };
    this.#dependencies = [{ name: "store", healthy: reads }, ...plugins];
  }

  /** How it is now, or was within the last second. Never rejects. */
  async now(): Promise<Readiness> {
    if (!this.#welcome()) return draining;
    const now = this.#clock.now();
    if (this.#found === undefined || now - this.#found.at >= FRESH_MS)
      this.#found = { readiness: this.#find(), at: now };
    const readiness = await this.#found.readiness;
    return this.#welcome() ? readiness : draining;
  }

  /** `look` is called when it may have changed: at once if the server drains, else every two seconds. */
  watch(look: () => void): Disposable {
    this.#watchers.add(look);
    this.#timer ??= this.#clock.after(WATCH_MS, this.#tick);
    return { [Symbol.dispose]: () => void this.#watchers.delete(look) };
  }
  /** The server begins to drain, or goes down. */
  changed(): void {
    for (const look of [...this.#watchers]) look();
  }
  readonly #tick = (): void => {
    this.#timer = this.#watchers.size > 0 ? this.#clock.after(WATCH_MS, this.#tick) : undefined;
    this.changed();
  };

  async #find(): Promise<Readiness> {
    const answers = await Promise.all(this.#dependencies.map((each) => this.#ask(each)));
    const failing = this.#dependencies.flatMap(({ name }, at) => (answers[at] === true ? [] : [name]));
    const names = failing.join(", ");
    if (names !== this.#failing) {
      this.#failing = names;
      if (names === "") this.#log.info("ready again");
      else this.#log.warn("not ready", { failing: names });
    }
    return failing.length === 0 ? serving : { status: "unready", failing };
  }

  #ask({ healthy }: Dependency): Promise<boolean> {
    return new Promise((resolve) => {
      const timer = this.#clock.after(ANSWER_MS, () => resolve(false));
      (async () => healthy())()
        .then(resolve, () => resolve(false))
        .finally(() => timer[Symbol.dispose]());
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#watchers.clear();
  }
}
