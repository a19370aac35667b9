// Tokens whose signature was checked a moment ago: at a native door each call shows one, and a signature costs more than a call.
import type { Clock } from "@raceway/core";
import type { JWTPayload } from "jose";

/** For so long the answer is taken again. Keys that an issuer takes back are noticed after minutes anyhow. */
const KEPT_MS = 5_000;
/** Only good tokens are kept; of those, so many, and none that is longer. */
const MOST = 1_024;
const LONGEST = 4_096;

interface Entry {
  readonly claims: JWTPayload;
  readonly until: number;
}

export class VerifiedTokens {
  readonly #clock: Clock;
  readonly #toleranceMs: number;
  readonly #maxAgeMs: number;
  readonly #entries = new Map<string, Entry>();

  constructor(clock: Clock, toleranceMs: number, maxAgeMs: number = Infinity) {
    this.#clock = clock;
    this.#toleranceMs = toleranceMs;
    this.#maxAgeMs = maxAgeMs;
  }

  /** Its claims, if the token was good a moment ago and has not become too old since. */
  get(token: string): JWTPayload | undefined {
    const entry = this.#entries.get(token);
    if (entry === undefined) return undefined;
    if (this.#clock.now() < entry.until) return entry.claims;
    this.#entries.delete(token);
    return undefined;
  }

  add(token: string, claims: JWTPayload): void {
    if (token.length > LONGEST) return;
    const { exp = Infinity, iat = Infinity } = claims;
    const leftMs = Math.min(exp * 1_000, iat * 1_000 + this.#maxAgeMs) + this.#toleranceMs - this.#clock.wallNow();
    this.#entries.delete(token);
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size < MOST) break;
      this.#entries.delete(oldest);
    }
    this.#entries.set(token, { claims, until: this.#clock.now() + Math.min(KEPT_MS, leftMs) });
  }
}
