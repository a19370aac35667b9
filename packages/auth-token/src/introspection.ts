// Opaque tokens: the issuer is asked what they are worth (RFC 7662), once for many, and again while they are in use.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Host, type Opening, type Timer, fail } from "@raceway/core";
import type { JWTPayload } from "jose";
import { optionError } from "./option-error.ts";

export interface IntrospectionOptions {
  /** The introspection endpoint. A function finds it out when it is needed. */
  readonly url: string | URL | (() => Promise<string | URL>);
  readonly clientId: string;
  /** How this service shows the issuer who it is: with a secret in the header `Authorization`, or any other way by `authenticate`. One of the two. */
  readonly clientSecret?: string;
  /** Puts what shows who this service is into the request: fields of its body, or headers. */
  readonly authenticate?: (body: URLSearchParams, headers: Headers) => void | Promise<void>;
  /** An answer is good for so long, in milliseconds; 0 to 3,600,000, default 30,000. So late is a token that was taken back still let in. */
  readonly cacheMs?: number;
  /** While a session is open, its token is asked about again after so long, in milliseconds, and the session ends if it is not active any more; 0 for never, default 60,000. */
  readonly recheckMs?: number;
  /** Names of this service; the `aud` of the answer has to contain one. Default: not looked at. */
  readonly audience?: string | readonly string[];
}

interface Known {
  readonly until: number;
  readonly answer: Promise<JWTPayload | undefined>;
}

type Resolved = IntrospectionOptions & { readonly cacheMs: number; readonly recheckMs: number };

const TIMEOUT_MS = 5_000;
/** What is not active is remembered, too, so that asking again and again costs nothing. */
const REFUSED_MS = 5_000;
const MAX_KNOWN = 10_000;
/** Questions under way at a time. More is a flood of made-up tokens. */
const MAX_ASKING = 64;

export class Introspector {
  readonly #options: Resolved;
  readonly #host: Host;
  readonly #known = new Map<string, Known>();
  #asking = 0;

  /** Checks the options at once; the rest when the server starts. */
  static maker(given: IntrospectionOptions): (host: Host) => Introspector {
    const { url, clientId, clientSecret, authenticate, cacheMs = 30_000, recheckMs = 60_000 } = given;
    if (typeof url !== "function" && !URL.canParse(String(url))) throw optionError("introspection.url", "", "a URL");
    if (typeof clientId !== "string" || clientId === "") throw optionError("introspection.clientId", "", "a name");
    if ((typeof clientSecret === "string") === (typeof authenticate === "function"))
      throw optionError("introspection.clientSecret", "", "a string, or authenticate in its place");
    if (!(cacheMs >= 0 && cacheMs <= 3_600_000))
      throw optionError("introspection.cacheMs", cacheMs, "a number from 0 to 3600000 (ms)");
    if (!(recheckMs >= 0)) throw optionError("introspection.recheckMs", recheckMs, "a number from 0 (ms)");
    return (host) => new Introspector({ ...given, cacheMs, recheckMs }, host);
  }

  private constructor(options: Resolved, host: Host) {
    this.#options = options;
    this.#host = host;
  }

  /** What the token is worth. Throws `credential_invalid`, `credential_expired`, `keys_unavailable`. */
  async ask(token: string): Promise<JWTPayload> {
    const now = this.#host.clock.now();
    let known = this.#known.get(token);
    if (known === undefined || known.until <= now) {
      this.#known.delete(token);
      if (this.#asking >= MAX_ASKING)
        throw fail("keys_unavailable", { detail: "too many tokens are being asked about" });
      const answer = this.#ask(token);
      known = { until: now + this.#options.cacheMs, answer };
      this.#remember(token, known);
      answer.then(
        (claims) => {
          const until = this.#host.clock.now() + (claims === undefined ? REFUSED_MS : this.#options.cacheMs);
          if (this.#known.get(token)?.answer === answer) this.#known.set(token, { until, answer });
        },
        () => {
          if (this.#known.get(token)?.answer === answer) this.#known.delete(token);
        },
      );
    }
    const claims = await known.answer;
    if (claims === undefined) throw fail("credential_invalid", { detail: "its issuer says that it is not active" });
    if (claims.exp !== undefined && claims.exp * 1_000 <= this.#host.clock.wallNow()) throw fail("credential_expired");
    return claims;
  }

  /** Asks again until another token is shown. An issuer that does not answer ends nothing. */
  watch(token: string, opening: Opening): void {
    const { recheckMs } = this.#options;
    if (recheckMs === 0) return;
    const { clock, log } = this.#host;
    let timer: Timer | undefined;
    const again = async (): Promise<void> => {
      if (!opening.current) return;
      try {
        await this.ask(token);
      } catch (error) {
        if (opening.ended.aborted || !opening.current) return;
        if (ConnectError.from(error).code === Code.Unauthenticated) return opening.end(fail("credential_revoked"));
        log.warn("a token could not be asked about again", { error: String(error) });
      }
      if (!opening.ended.aborted) wait();
    };
    const wait = (): void => void (timer = clock.after(recheckMs, () => void again()));
    wait();
    opening.ended.addEventListener("abort", () => timer?.[Symbol.dispose](), { once: true });
  }

  #remember(token: string, known: Known): void {
    this.#known.set(token, known);
    if (this.#known.size > MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!); // the oldest
  }

  async #ask(token: string): Promise<JWTPayload | undefined> {
    const { url, clientId, clientSecret, authenticate, audience } = this.#options;
    this.#asking++;
    try {
      const body = new URLSearchParams({ token, token_type_hint: "access_token" });
      const headers = new Headers({ accept: "application/json" });
      // RFC 6749 section 2.3.1: both are form-encoded before they are joined.
      if (clientSecret !== undefined)
        headers.set(
          "authorization",
          `Basic ${btoa(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`)}`,
        );
      const where = typeof url === "function" ? await url() : url;
      await authenticate?.(body, headers);
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const response = await fetch(where, { method: "POST", redirect: "error", signal, headers, body });
      if (!response.ok) throw new Error(`status ${response.status}`);
      const claims = (await response.json()) as JWTPayload & { active?: unknown };
      if (claims.active !== true) return undefined;
      if (audience !== undefined && ![claims.aud].flat().some((name) => [audience].flat().includes(name!)))
        return undefined;
      return claims;
    } catch (error) {
      if (error instanceof ConnectError) throw error;
      const detail =
        error instanceof Error && error.name === "TimeoutError"
          ? "no answer in time"
          : "it did not answer as it should";
      throw fail("keys_unavailable", { detail });
    } finally {
      this.#asking--;
    }
  }
}
