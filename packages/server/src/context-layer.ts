// Context values over those of somebody else, or over none: what is set here, nobody beneath sees.
import type { ContextKey, ContextValues } from "@connectrpc/connect";

/** As Connect's own, in one list: a session or a call has few, and keeps them for as long as it lives. */
export class ContextLayer implements ContextValues {
  readonly #beneath: ContextValues | undefined;
  /** Id, value, id, value; as long as need be. */
  #own: unknown[];

  constructor(beneath?: ContextValues, own: unknown[] = []) {
    this.#beneath = beneath;
    this.#own = own;
  }
  #find(id: symbol): number {
    for (let at = 0; at < this.#own.length; at += 2) if (this.#own[at] === id) return at;
    return -1;
  }
  get<T>(key: ContextKey<T>): T {
    const at = this.#find(key.id);
    if (at >= 0) return this.#own[at + 1] as T;
    return this.#beneath === undefined ? key.defaultValue : this.#beneath.get(key);
  }
  set<T>(key: ContextKey<T>, value: T): this {
    const at = this.#find(key.id);
    if (at >= 0) this.#own[at + 1] = value;
    else this.#own = this.#own.concat([key.id, value]);
    return this;
  }
  /** From now on it reads as its default, whatever is beneath. */
  delete(key: ContextKey<unknown>): this {
    return this.set(key, key.defaultValue);
  }
}
