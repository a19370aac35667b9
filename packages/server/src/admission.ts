// Who comes in, on whose word and until when: one opening, as plugins see it, and what is left of it once it is admitted.
import type { ConnectError, ContextKey, ContextValues } from "@connectrpc/connect";
import { type Clock, type Opening, type Peer, type Stations, type Timer, fail } from "@raceway/core";
import { ContextLayer } from "./context-layer.ts";

/** Runs the session stations of all plugins, in their order. Throws, or rejects, to refuse. */
export type Admit = (opening: Opening) => void | Promise<void>;

/** Undefined if no plugin has a session station. */
export function composeAdmission(stations: readonly Stations[]): Admit | undefined {
  const steps = stations.filter((each) => each.session !== undefined);
  if (steps.length === 0) return undefined;
  if (steps.length === 1) return (opening) => steps[0]!.session!(opening);
  return async (opening) => {
    for (const step of steps) await step.session!(opening);
  };
}

/** Longest time that a timer is set for, in milliseconds: 24 days. Node's own end at 2^31. */
const LONGEST_MS = 24 * 86_400_000;

/** What an opening may do once it is admitted: to a session, or to a call at a native door. */
export interface Admitted {
  readonly endedSignal: AbortSignal;
  end(error: ConnectError): void;
}

/** The facts of an opening. */
export interface OpeningFacts {
  readonly kind: Opening["kind"];
  readonly peer: Peer;
  readonly transport: string;
  readonly credential: string | undefined;
  readonly headers: Headers;
  readonly context: ContextValues;
}

/** One opening. Until it is `taken`, its end is a refusal. */
export class Entrance implements Opening {
  readonly kind: Opening["kind"];
  readonly peer: Peer;
  readonly transport: string;
  readonly credential: string | undefined;
  readonly headers: Headers;
  readonly context: ContextValues;
  readonly #into: Admitted;
  #error: ConnectError | undefined;
  #taken = false;
  #current = false;
  /** In milliseconds from the moment it was said; Infinity: for ever. */
  #expiresMs = Infinity;
  #expiryChanged: (() => void) | undefined;

  constructor(facts: OpeningFacts, into: Admitted) {
    this.kind = facts.kind;
    this.peer = facts.peer;
    this.transport = facts.transport;
    this.credential = facts.credential;
    this.headers = facts.headers;
    this.context = facts.context;
    this.#into = into;
  }

  get ended(): AbortSignal {
    return this.#into.endedSignal;
  }
  get current(): boolean {
    return this.#current;
  }
  /** A later opening took its place. */
  replaced(): void {
    this.#current = false;
  }
  get expiresMs(): number {
    return this.#expiresMs;
  }
  expiresIn(ms: number): void {
    if (!(ms < this.#expiresMs)) return;
    this.#expiresMs = Math.max(0, ms);
    if (ms <= 0) this.end(fail("credential_expired"));
    else this.#expiryChanged?.();
  }
  end(error: ConnectError): void {
    if (!this.#taken) this.#error ??= error;
    else if (this.#current) this.#into.end(error);
  }

  /** It was admitted. Throws if its end came first. `expiryChanged`: a plugin said, later on, that the credential ends sooner. */
  take(expiryChanged: () => void): void {
    if (this.#error !== undefined) throw this.#error;
    this.#taken = this.#current = true;
    this.#expiryChanged = expiryChanged;
  }
}

/** Ends somebody when his credential does. */
export class Expiry implements Disposable {
  readonly #clock: Clock;
  readonly #expired: (error: ConnectError) => void;
  #timer: Timer | undefined;
  #at = Infinity;

  constructor(clock: Clock, expired: (error: ConnectError) => void) {
    this.#clock = clock;
    this.#expired = expired;
  }

  /** From now on; Infinity: never. What was set before is forgotten. */
  set(ms: number): void {
    this[Symbol.dispose]();
    if (ms === Infinity) return;
    this.#at = this.#clock.now() + ms;
    this.#wait();
  }
  #wait(): void {
    const leftMs = this.#at - this.#clock.now();
    if (leftMs <= 0) return this.#expired(fail("credential_expired"));
    this.#timer = this.#clock.after(Math.min(leftMs, LONGEST_MS), () => this.#wait());
  }
  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

/** The context of a session: what the last opening found out. Calls that run see it, too. */
export class SessionContext implements ContextValues {
  #values: ContextValues;

  constructor(values: ContextValues = new ContextLayer()) {
    this.#values = values;
  }
  adopt(values: ContextValues): void {
    this.#values = values;
  }
  get<T>(key: ContextKey<T>): T {
    return this.#values.get(key);
  }
  set<T>(key: ContextKey<T>, value: T): this {
    this.#values.set(key, value);
    return this;
  }
  delete(key: ContextKey<unknown>): this {
    this.#values.delete(key);
    return this;
  }
}

/** An expiry as the wire has it, in milliseconds; 0: none, or none that matters. */
export const expiryOnWire = (ms: number): number => (ms > 0xffff_ffff ? 0 : Math.ceil(ms));
