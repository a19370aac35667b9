// The store: all of it in memory, and in a file before anybody is told that it was done.
import { readFile } from "node:fs/promises";
import { type Clock, CONTRACT, fail, type Store, type StorePart } from "@raceway/core";
import { type FileStoreOptions, resolveFileStoreOptions } from "./options.ts";
import { replaceFile } from "./replace-file.ts";
import { type State, stateOf, textOf } from "./state.ts";

/** A store that survives the process, for one node and some thousand keys: each change writes the file anew. */
export function fileStore(given: FileStoreOptions = {}): StorePart {
  const { file } = resolveFileStoreOptions(given); // wrong options fail here, on the user's line
  return {
    name: "file-store",
    contract: CONTRACT,
    traits: { durability: "process-crash", shared: false },
    async start({ clock }) {
      return new FileStore(file, await read(file), clock);
    },
  };
}

async function read(file: string): Promise<State> {
  try {
    return stateOf(await readFile(file, "utf8"));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return { held: new Map(), buckets: new Map() };
    throw fail("store_unopenable", { file, detail: message });
  }
}

/** Something that was asked for, and has not been answered. */
interface Asked {
  readonly writes: boolean;
  /** Does it, and keeps what the answer will be. */
  apply(state: State): void;
  answer(): void;
  refuse(error: unknown): void;
}

class FileStore implements Store, AsyncDisposable {
  readonly #file: string;
  readonly #clock: Clock;
  #state: State;
  #asked: Asked[] = [];
  #working: Promise<void> | undefined;

  constructor(file: string, state: State, clock: Clock) {
    this.#file = file;
    this.#state = state;
    this.#clock = clock;
  }

  get(key: string): Promise<Uint8Array | undefined> {
    return this.#ask(false, ({ held }) => {
      const found = held.get(key);
      return found !== undefined && found.until > this.#clock.wallNow() ? found.value : undefined;
    });
  }

  put(key: string, value: Uint8Array, options: Parameters<Store["put"]>[2]): Promise<boolean> {
    const copy = value.slice(); // now: the caller may write on in his
    return this.#ask(true, ({ held }) => {
      const now = this.#clock.wallNow();
      const before = held.get(key);
      if (options.ifAbsent === true && before !== undefined && before.until > now) return false;
      held.set(key, { value: copy, until: now + options.ttlMs });
      return true;
    });
  }

  delete(key: string): Promise<void> {
    return this.#ask(true, ({ held }) => void held.delete(key));
  }

  take(key: string, cost: number, { perSecond, burst }: Parameters<Store["take"]>[2]): ReturnType<Store["take"]> {
    return this.#ask(true, ({ buckets }) => {
      const now = this.#clock.wallNow();
      const known = buckets.get(key) ?? { tokens: burst, at: now };
      const tokens = Math.min(burst, known.tokens + ((now - known.at) * perSecond) / 1_000);
      const ok = tokens >= cost;
      const left = ok ? tokens - cost : tokens;
      buckets.set(key, { tokens: left, at: now, fullAt: now + ((burst - left) * 1_000) / perSecond });
      return { ok, retryAfterMs: ok ? 0 : Math.ceil(((cost - left) * 1_000) / perSecond) };
    });
  }

  /** What was asked for before is still done. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#working;
  }

  #ask<T>(writes: boolean, act: (state: State) => T): Promise<T> {
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    let result: T;
    this.#asked.push({
      writes,
      apply: (state) => void (result = act(state)),
      answer: () => resolve(result),
      refuse: reject,
    });
    this.#working ??= this.#work();
    return promise;
  }

  /** All that was asked for meanwhile is one batch: done in order on a copy, written once, and only then true. What fails changes nothing. */
  async #work(): Promise<void> {
    await Promise.resolve(); // so that what one turn asks for is together
    while (this.#asked.length > 0) {
      const batch = this.#asked;
      this.#asked = [];
      const next: State = { held: new Map(this.#state.held), buckets: new Map(this.#state.buckets) };
      for (const each of batch) each.apply(next);
      try {
        if (batch.some(({ writes }) => writes)) await replaceFile(this.#file, textOf(next, this.#clock.wallNow()));
        this.#state = next;
        for (const each of batch) each.answer();
      } catch (error) {
        const told = fail("store_failed", { detail: (error as NodeJS.ErrnoException).code ?? "it cannot be written" });
        for (const each of batch) each.refuse(told);
      }
    }
    this.#working = undefined;
  }
}
