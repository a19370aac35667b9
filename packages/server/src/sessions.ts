// The sessions of a node: admitted, found again by their secret, bounded in number and memory, forgotten in time.
import type { ConnectError, ContextValues } from "@connectrpc/connect";
import {
  type Codec,
  type Limits,
  type Logger,
  type Observer,
  type RefusalEvent,
  type SessionEvent,
  type Timer,
  fail,
  principal as principalKey,
} from "@raceway/core";
import {
  type AuthFrame,
  type Call,
  type GoawayFrame,
  type OpenFrame,
  PublishingSession,
  type SessionLink,
  type SessionOwner,
  errorOf,
} from "@raceway/core/internal";
import { type Entrance, Expiry, SessionContext, expiryOnWire } from "./admission.ts";
import type { Orphans } from "./orphans.ts";
import type { Claimed, Claims } from "./schema-fit.ts";
import type { ServingHost } from "./serving.ts";

/** What a session asks of the server. */
export interface SessionHost {
  readonly orphans: Orphans;
  readonly limits: Limits;
  readonly log: Logger;
  /** Undefined: nobody wants to know. */
  readonly observer: Observer | undefined;
  opened(session: ServerSession, call: Call, frame: OpenFrame): void;
  /** Never rejects. */
  refreshed(session: ServerSession, frame: AuthFrame): Promise<void>;
}

/** So many seconds' worth of resumes may come at once: a race opens several links, and a bad network cuts some in a row. */
const RESUME_BURST = 4;

/** One client's session, with what belongs to the server's side of it. */
export class ServerSession implements SessionOwner, ServingHost, Claimed {
  /** Public name; hex of its 16 bytes, in which form they take a fifth of the memory. */
  readonly id: string;
  /** Hex of 32 bytes. */
  readonly secret: string;
  /** What the last opening found out. */
  readonly context: SessionContext;
  /** From where it was opened, as a `networkOf` all it is counted with: behind proxies that are trusted, if a plugin found out. */
  address: string;
  /** Who it belongs to; only the same may resume it. */
  principal = "";
  core!: PublishingSession;
  claims: Claims | undefined;
  /** The client knows of it: it has asked for it by name. */
  resumed = false;
  /** Resumes that are allowed now, and when that was reckoned. */
  #resumes: number;
  #resumesAt = 0;
  detached: Timer | undefined;
  /** Its weight when it was looked at last. */
  detachedBytes = 0;
  #ended: AbortController | undefined;
  /** Of the last opening. */
  #entrance: Entrance | undefined;
  #expiry: Expiry | undefined;
  /** When it was welcomed, by the host's clock; in whole milliseconds, which take no memory of their own. */
  since = 0;
  /** For the observer: over which transport it went last. */
  #transport = "";
  #refreshing = false;
  #fresher: AuthFrame | undefined;
  readonly #host: SessionHost;
  readonly #registry: Sessions;

  constructor(
    registry: Sessions,
    host: SessionHost,
    init: {
      id: string;
      secret: string;
      context: ContextValues;
      address: string;
    },
  ) {
    this.#registry = registry;
    this.#host = host;
    this.id = init.id;
    this.secret = init.secret;
    this.context = new SessionContext(init.context);
    this.address = init.address;
    this.#resumes = host.limits.resumesPerSecond * RESUME_BURST;
  }

  /** What an opening found out holds from now on. Throws if it was ended meanwhile, or is another principal's. */
  admitted(context: ContextValues, entrance: Entrance | undefined): void {
    entrance?.take(() => {
      if (entrance !== this.#entrance) return;
      this.#expire(entrance);
      this.tellExpiry();
    });
    this.context.adopt(context);
    this.#entrance?.replaced();
    this.#entrance = entrance;
    this.#expire(entrance);
  }
  #expire(entrance: Entrance | undefined): void {
    const ms = entrance?.expiresMs ?? Infinity;
    if (ms === Infinity) this.#expiry?.[Symbol.dispose]();
    else (this.#expiry ??= new Expiry(this.core.clock, (error) => this.core.end(error, true))).set(ms);
  }
  /** When the present credential ends, in milliseconds, as it was when it was shown; 0: not known, or never. */
  get credentialMs(): number {
    return expiryOnWire(this.#entrance?.expiresMs ?? Infinity);
  }
  /** Bytes that it keeps for its client. */
  get weight(): number {
    return this.core.replay.bytes + (this.claims?.bytes ?? 0);
  }
  /** So that the client shows a fresh credential in time. */
  tellExpiry(): void {
    const expiresMs = this.credentialMs;
    if (expiresMs > 0) this.core.control({ kind: "auth", credential: "", expiresMs });
  }
  /** Whose the context is. */
  owns(context: ContextValues): boolean {
    return context.get(principalKey).id === this.principal;
  }

  /** Counts a resume. Throws `too_many_resumes`. */
  checkResume(now: number): void {
    const { resumesPerSecond: limit } = this.limits;
    const gained = ((now - this.#resumesAt) * limit) / 1000;
    this.#resumesAt = now;
    this.#resumes = Math.min(limit * RESUME_BURST, this.#resumes + gained);
    if (this.#resumes < 1) {
      const retryAfterMs = Math.ceil(((1 - this.#resumes) * 1000) / limit);
      throw fail("too_many_resumes", { limit, retryAfterMs });
    }
    this.#resumes--;
  }

  get codec(): Codec {
    return this.core.codec;
  }
  get limits(): Limits {
    return this.#host.limits;
  }
  get orphans(): Orphans {
    return this.#host.orphans;
  }
  get log(): Logger {
    return this.#host.log;
  }
  /** Aborted when the session is over. */
  get endedSignal(): AbortSignal {
    if (this.#ended === undefined) {
      this.#ended = new AbortController();
      if ((this.core as PublishingSession | undefined)?.over !== undefined) this.#ended.abort(this.core.over);
    }
    return this.#ended.signal;
  }
  /** It was not admitted: whoever holds something for it lets go. */
  notAdmitted(error: ConnectError): void {
    (this.#ended ??= new AbortController()).abort(error);
  }
  /** By a plugin. */
  end(error: ConnectError): void {
    this.core.end(error, true);
  }

  // ---- for the observer

  began(transport: string): void {
    this.#tell("opened", transport);
  }
  cameBack(transport: string): void {
    this.#tell("resumed", transport);
  }
  switched(from: string, transport: string): void {
    this.#tell("switched", transport, from);
  }
  #tell(kind: SessionEvent["kind"], transport: string, from = "", error?: ConnectError): void {
    this.#transport = transport;
    const livedMs = this.core.clock.now() - this.since;
    this.#host.observer?.session?.({ kind, session: this.id, transport, from, livedMs, error });
  }
  /** The session refused a call, or a message of it; or a gate a subscription. */
  refused(error: ConnectError, channel = "", what: RefusalEvent["what"] = "call"): void {
    const transport = this.core.current?.link.transport ?? "";
    this.#host.observer?.refused?.({ what, transport, channel, error });
  }

  // ---- by the session

  opened(call: Call, frame: OpenFrame): void {
    this.#host.opened(this, call, frame);
  }
  linkLost(error: ConnectError | undefined): void {
    // Closed in good order before anything was said, as when the client took another link in the race: there is nothing to resume. Of a link
    // that died, what was said may have been lost. And whoever resumed it, if only by a link that he gave up, wants it.
    if (error === undefined && !this.resumed && this.core.received === 0 && this.core.replay.end === 0)
      this.core.end(fail("resume_impossible"), false);
    else this.#registry.detach(this);
  }
  waits(): void {
    this.#registry.measure(this);
  }
  auth(frame: AuthFrame): void {
    if (this.#refreshing) this.#fresher = frame; // one at a time, and of those that wait the last
    else void this.#refresh(frame);
  }
  async #refresh(frame: AuthFrame): Promise<void> {
    this.#refreshing = true;
    for (let next: AuthFrame | undefined = frame; next !== undefined && this.core.over === undefined;) {
      this.#fresher = undefined;
      await this.#host.refreshed(this, next);
      next = this.#fresher;
    }
    this.#refreshing = false;
  }
  goaway(_link: SessionLink, frame: GoawayFrame): void {
    if (frame.final) this.core.end(frame.status === undefined ? fail("call_cancelled") : errorOf(frame.status), false);
  }
  pong(): void {}
  ended(error: ConnectError): void {
    this.#registry.remove(this);
    this.#expiry?.[Symbol.dispose]();
    this.#ended?.abort(error);
    if (this.#transport !== "") this.#tell("ended", this.#transport, "", error);
  }
}

export class Sessions {
  readonly #limits: Limits;
  readonly #byId = new Map<string, ServerSession>();
  /** Without a link, the longest first. */
  readonly #detached = new Set<ServerSession>();
  readonly #perAddress = new Map<string, number>();
  readonly #perPrincipal = new Map<string, number>();
  #detachedBytes = 0;
  /** Called when the last session is gone. */
  empty: (() => void) | undefined;

  constructor(limits: Limits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#byId.size;
  }
  [Symbol.iterator](): IterableIterator<ServerSession> {
    return this.#byId.values();
  }

  find(id: string): ServerSession | undefined {
    return this.#byId.get(id);
  }

  /** Throws `too_many_sessions`. */
  checkAddress(address: string): void {
    const count = this.#perAddress.get(address) ?? 0;
    if (count >= this.#limits.sessionsPerAddress)
      throw fail("too_many_sessions", { count, limit: this.#limits.sessionsPerAddress, retryAfterMs: 1_000 });
  }
  /** Throws `too_many_sessions`. Nobody is no principal. */
  checkPrincipal(principal: string): void {
    if (principal === "") return;
    const count = this.#perPrincipal.get(principal) ?? 0;
    if (count >= this.#limits.sessionsPerPrincipal)
      throw fail("too_many_sessions", { count, limit: this.#limits.sessionsPerPrincipal, retryAfterMs: 1_000 });
  }

  add(session: ServerSession): void {
    session.since = Math.round(session.core.clock.now());
    this.#byId.set(session.id, session);
    count(this.#perAddress, session.address, 1);
    if (session.principal !== "") count(this.#perPrincipal, session.principal, 1);
  }

  remove(session: ServerSession): void {
    if (!this.#byId.delete(session.id)) return;
    count(this.#perAddress, session.address, -1);
    if (session.principal !== "") count(this.#perPrincipal, session.principal, -1);
    this.attached(session);
    if (this.#byId.size === 0) this.empty?.();
  }

  /** The last link of a session is gone: it waits for the next, for a while and within the bounds of all who wait. */
  detach(session: ServerSession): void {
    if (session.core.over !== undefined) return;
    session.detached = session.core.clock.after(this.#limits.resumeMs, () => this.#expire(session));
    this.#detached.add(session);
    session.detachedBytes = 0;
    this.measure(session);
  }

  /** What a session without a link keeps has changed: the oldest go until all are within the bounds. */
  measure(session: ServerSession): void {
    if (!this.#detached.has(session)) return;
    const { detachedSessions, detachedBytes } = this.#limits;
    const { weight } = session;
    this.#detachedBytes += weight - session.detachedBytes;
    session.detachedBytes = weight;
    for (const oldest of this.#detached) {
      if (this.#detached.size <= detachedSessions && this.#detachedBytes <= detachedBytes) break;
      this.#expire(oldest);
    }
  }

  /** It has a link again, or is gone. */
  attached(session: ServerSession): void {
    session.detached?.[Symbol.dispose]();
    session.detached = undefined;
    if (this.#detached.delete(session)) this.#detachedBytes -= session.detachedBytes;
  }

  #expire(session: ServerSession): void {
    session.core.end(fail("resume_impossible"), false);
  }
}

function count(map: Map<string, number>, key: string, change: number): void {
  const value = (map.get(key) ?? 0) + change;
  if (value <= 0) map.delete(key);
  else map.set(key, value);
}
