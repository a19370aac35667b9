// Tokens that are kept: used while they are good, renewed by one at a time before they end, and not asked for again and again while the issuer fails.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Clock, reasonOf, retryAfterMs } from "@raceway/core";
import { type IDToken, type TokenEndpointResponse, getValidatedIdTokenClaims } from "oauth4webapi";
import type { SharedWorld } from "./world.ts";

export interface Tokens {
  readonly access: string;
  /** In milliseconds since 1970. */
  readonly askedAt: number;
  /** The same; undefined: the issuer does not say. */
  readonly endsAt: number | undefined;
  readonly refresh: string | undefined;
  readonly idToken: string | undefined;
  /** Of the ID token. */
  readonly claims: IDToken | undefined;
}

/** Where tokens are, and whose turn it is to renew them. */
export interface TokenStore {
  read(): Promise<Tokens | undefined>;
  write(tokens: Tokens | undefined): Promise<void>;
  /** Runs one after the other, with all that share the store. */
  inTurn<T>(run: () => Promise<T>): Promise<T>;
}

/** A token is renewed when a fifth of its life is left, at most so much: the rule by which sessions show fresh credentials. */
const MOST_LEFT_MS = 60_000;
/** A token as young as this is not renewed, whoever asks; or half its life, if that is shorter. */
const YOUNG_MS = 5_000;
const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;
/** What an issuer asks us to wait is obeyed up to so much. */
const LONGEST_ASKED_MS = 300_000;

/** What came in answer to a request sent at `askedAt`; what it does not say of refresh and ID tokens is as `before`. */
export function tokensOf(response: TokenEndpointResponse, askedAt: number, before?: Tokens): Tokens {
  const { access_token: access, expires_in: seconds, refresh_token: refresh, id_token: idToken } = response;
  return {
    access,
    askedAt,
    endsAt: seconds === undefined ? undefined : askedAt + seconds * 1_000,
    refresh: refresh ?? before?.refresh,
    idToken: idToken ?? before?.idToken,
    claims: getValidatedIdTokenClaims(response) ?? before?.claims,
  };
}

export class TokenKeeper {
  readonly #store: TokenStore;
  readonly #world: SharedWorld;
  readonly #renew: (kept: Tokens | undefined) => Promise<Tokens>;
  #known: Tokens | undefined;
  #failures = 0;
  #failed: { readonly error: ConnectError; readonly until: number } | undefined;

  /** `renew` rejects with errors of the catalogue: after `unavailable` it is tried again, after a `sign_in_…` the tokens are forgotten. */
  constructor(store: TokenStore, world: SharedWorld, renew: (kept: Tokens | undefined) => Promise<Tokens>) {
    this.#store = store;
    this.#world = world;
    this.#renew = renew;
  }

  /** What the store had when it was last looked at. */
  get known(): Tokens | undefined {
    return this.#known;
  }

  async load(): Promise<Tokens | undefined> {
    this.#known = await this.#store.read();
    return this.#known;
  }

  /** An access token that is good, and another than `besides`. Rejects with what `renew` does. */
  async access(besides?: string): Promise<string> {
    const { clock } = this.#world;
    const kept = freshOf(await this.load(), clock, besides);
    if (kept !== undefined) return kept;
    return this.#store.inTurn(async () => {
      const newest = await this.load(); // somebody else was first
      const fresh = freshOf(newest, clock, besides);
      if (fresh !== undefined) return fresh;
      try {
        return await this.#renewed(newest);
      } catch (error) {
        const stillGood = newest?.endsAt !== undefined && clock.wallNow() < newest.endsAt;
        if (stillGood && newest.access !== besides && ConnectError.from(error).code === Code.Unavailable)
          return newest.access;
        throw error;
      }
    });
  }

  /** Takes what was issued in another way. */
  put(tokens: Tokens): Promise<void> {
    return this.#store.inTurn(() => this.#write(tokens));
  }

  /** Forgets all, and gives what there was; what is being renewed comes first. */
  take(): Promise<Tokens | undefined> {
    return this.#store.inTurn(async () => {
      const kept = await this.load();
      await this.#write(undefined);
      return kept;
    });
  }

  async #renewed(kept: Tokens | undefined): Promise<string> {
    const { clock, random } = this.#world;
    if (this.#failed !== undefined && clock.now() < this.#failed.until) throw this.#failed.error;
    try {
      const tokens = await this.#renew(kept);
      await this.#write(tokens);
      return tokens.access;
    } catch (cause) {
      const error = ConnectError.from(cause);
      if (reasonOf(error)?.startsWith("sign_in_") === true && kept !== undefined) await this.#write(undefined);
      if (error.code === Code.Unavailable) {
        const askedMs = Math.min(retryAfterMs(error) ?? 0, LONGEST_ASKED_MS);
        const waitMs = Math.min(FIRST_WAIT_MS * 2 ** this.#failures++, LONGEST_WAIT_MS);
        // At least half of it, so that many that share the tokens do not come at once one after the other.
        this.#failed = { error, until: clock.now() + askedMs + waitMs * (0.5 + random.next() / 2) };
      }
      throw error;
    }
  }

  async #write(tokens: Tokens | undefined): Promise<void> {
    this.#known = tokens;
    this.#failures = 0;
    this.#failed = undefined;
    await this.#store.write(tokens);
  }
}

/** The access token, if it need not be renewed. */
function freshOf(tokens: Tokens | undefined, clock: Clock, besides: string | undefined): string | undefined {
  if (tokens === undefined) return undefined;
  const { access, askedAt, endsAt = Infinity } = tokens;
  const now = clock.wallNow();
  const lifeMs = endsAt - askedAt;
  const isYoung = now >= askedAt && now - askedAt < Math.min(YOUNG_MS, lifeMs / 2);
  return isYoung || (access !== besides && now < endsAt - Math.min(lifeMs / 5, MOST_LEFT_MS)) ? access : undefined;
}
