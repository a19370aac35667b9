// What a tab remembers of a sign-in that it began, until the browser comes back from the issuer; used once.
export interface Transaction {
  readonly state: string;
  /** Undefined without the scope "openid". */
  readonly nonce: string | undefined;
  readonly verifier: string;
  /** Where the user was. */
  readonly returnTo: string | undefined;
  readonly silent: boolean;
}

export class Transactions {
  readonly #name: string;
  /** For hosts without sessionStorage, which do not go away to sign in. */
  #own: string | undefined;

  constructor(name: string) {
    this.#name = name;
  }

  /** In place of one that was begun before. */
  remember(transaction: Transaction): void {
    const text = JSON.stringify(transaction);
    // A tab's own, so that no other page of the origin, in another tab, completes what this one began.
    if (globalThis.sessionStorage === undefined) this.#own = text;
    else sessionStorage.setItem(this.#name, text);
  }

  /** The one with this state, which is forgotten. Another stays: whoever makes up an answer does not spoil a sign-in that is under way. */
  recall(state: string): Transaction | undefined {
    const text = globalThis.sessionStorage === undefined ? this.#own : sessionStorage.getItem(this.#name);
    const transaction = JSON.parse(text ?? "null") as Transaction | null;
    if (transaction?.state !== state) return undefined;
    this.#own = undefined;
    globalThis.sessionStorage?.removeItem(this.#name);
    return transaction;
  }
}
