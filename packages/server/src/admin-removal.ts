// Who is sent away, or unsubscribed: here at once, and on all other servers with the same store about a second later.
import type { Duration } from "@bufbuild/protobuf/wkt";
import type { ConnectError, ContextValues } from "@connectrpc/connect";
import { type Host, type Opening, type Stations, fail, principal, sessionId } from "@raceway/core";
import type { DisconnectRequest, UnsubscribeRequest } from "@raceway/core/admin";
import { Announcements, toHex } from "@raceway/core/internal";
import type { CallContext } from "./call-context.ts";
import type { Inside } from "./inside.ts";
import type { NativeCall } from "./native.ts";
import type { ServerSession } from "./sessions.ts";
import { Subscription } from "./subscription.ts";

/** Longest reason, and name of a session or principal, in characters; and longest absence. */
const REASON = 500;
const NAME = 4_096;
const LONGEST_MS = 365 * 86_400_000;
/** A server that hears of a removal later than so does not need it any more: what it was about is gone, or was cut off from the store as long. */
const KEPT_MS = 60_000;
/** Who is to stay away may have been asked about elsewhere just before the store had it, and be there a little later, by a clock that is not quite this one. */
const MARGIN_MS = 2_000;

/** Whom a removal is about. */
export interface Whom {
  readonly kind: "session" | "principal";
  readonly name: string;
}

export type Removal =
  | {
      readonly kind: "disconnect";
      readonly whom: Whom;
      readonly reason: string;
      /** 0: may come back at once. */
      readonly stayAwayMs: number;
    }
  | { readonly kind: "unsubscribe"; readonly whom: Whom; readonly reason: string; readonly address: string };

/** What was ended. */
export interface Ended {
  readonly sessions: number;
  readonly subscriptions: number;
  readonly nativeCalls: number;
}

/** As other servers are told. */
interface Announced {
  readonly from: string;
  /** What came later is not meant; in milliseconds since 1970, by the clock of the server that says it. */
  readonly at: number;
  readonly removal: Removal;
}
/** What the store has of a principal that is to stay away. */
interface Absence {
  /** Milliseconds since 1970. */
  readonly until: number;
  readonly reason: string;
}

export class RemovalDesk {
  readonly #inside: Inside;
  #host!: Host; // started before anybody is served
  #announced: Announcements | undefined;
  #self = "";
  /** Openings about which the store is asked, or that are not there yet. */
  readonly #asked = new Set<Opening>();

  constructor(inside: Inside) {
    this.#inside = inside;
  }

  start(host: Host): Stations {
    this.#host = host;
    if (this.#inside.sharesStore) {
      this.#self = toHex(host.random.bytes(8));
      this.#announced = new Announcements(host, {
        name: "admin",
        keptMs: KEPT_MS,
        wanted: () => true,
        heard: (said) => this.#heard(JSON.parse(said) as Announced),
      });
    }
    return {
      session: (opening) => this.#admit(opening),
      [Symbol.asyncDispose]: () => Promise.resolve(this.#announced?.[Symbol.dispose]()),
    };
  }

  /** Throws `admin_request_invalid`. Resolves when the store has what others are to know of it; what is here has ended by then. */
  async remove(removal: Removal, by: CallContext): Promise<{ readonly ended: Ended; readonly told: boolean }> {
    check(removal, by);
    let at = this.#host.clock.wallNow();
    if (removal.kind === "disconnect" && removal.whom.kind === "principal" && (await this.#keepAway(removal)))
      at = this.#host.clock.wallNow() + MARGIN_MS;
    const ended = this.#end(removal, Infinity, by);
    if (this.#announced !== undefined) {
      const announced: Announced = { from: this.#self, at, removal };
      await this.#announced.say(JSON.stringify(announced));
    }
    return { ended, told: this.#announced !== undefined };
  }

  /** Before anything is ended: whoever is asked about after this is refused. False: he may come back, and who stayed away before may, too. */
  async #keepAway({ whom, stayAwayMs: ttlMs, reason }: Removal & { readonly kind: "disconnect" }): Promise<boolean> {
    const { store, clock } = this.#host;
    if (ttlMs === 0) {
      await store.delete(absenceKey(whom.name));
      return false;
    }
    const absence: Absence = { until: clock.wallNow() + ttlMs, reason };
    await store.put(absenceKey(whom.name), new TextEncoder().encode(JSON.stringify(absence)), { ttlMs });
    return true;
  }

  /** Everybody who comes in is asked after by name; nobody has none. */
  async #admit(opening: Opening): Promise<void> {
    const { store, clock } = this.#host;
    this.#asked.add(opening);
    try {
      await this.#announced?.follow(); // before the store is asked: what is said after that is heard
      const { id } = opening.context.get(principal);
      const bytes = id === "" ? undefined : await store.get(absenceKey(id));
      if (bytes === undefined) return;
      const { until, reason } = JSON.parse(new TextDecoder().decode(bytes)) as Absence;
      const retryAfterMs = until - clock.wallNow();
      if (retryAfterMs > 0) throw fail("stays_away", { reason, retryAfterMs });
    } finally {
      clock.loopEnd(() => this.#asked.delete(opening)); // by then its session is there: nobody is asked after this
    }
  }

  #heard({ from, at, removal }: Announced): void {
    const kinds: readonly string[] = ["disconnect", "unsubscribe"];
    if (from === this.#self || !kinds.includes(removal.kind)) return; // others are of a later version
    const ended = this.#end(removal, at, undefined);
    this.#inside.log.info("admin", { act: `${removal.kind} heard of another server`, ...ended });
  }

  /** `at`: what was opened later stays, in milliseconds since 1970. `by`: who asks for it, and gets an answer first if it is about himself. */
  #end(removal: Removal, at: number, by: CallContext | undefined): Ended {
    const { clock, sessions, nativeCalls } = this.#inside;
    const started = clock.wallNow() - clock.now();
    const { whom } = removal;
    const error = errorOf(removal);
    const ended = { sessions: 0, subscriptions: 0, nativeCalls: 0 };
    for (const session of [...sessions]) {
      if ((whom.kind === "session" ? session.id : session.principal) !== whom.name) continue;
      if (removal.kind === "unsubscribe") ended.subscriptions += unsubscribe(session, removal.address, error);
      else if (started + session.since <= at) {
        ended.sessions++;
        endSession(session, error, by);
      }
    }
    if (whom.kind === "session") return ended;
    // Elsewhere one that may come back has come back by then.
    if (removal.kind === "disconnect" && (by !== undefined || removal.stayAwayMs > 0))
      for (const opening of this.#asked)
        if (opening.context.get(principal).id === whom.name && !isOf(by, opening.context)) opening.end(error);
    for (const call of [...nativeCalls]) {
      if (!isMeant(call, removal) || isOf(by, call.context)) continue;
      if (removal.kind === "disconnect" && started + call.since > at) continue;
      ended.nativeCalls++;
      call.end(error);
    }
    return ended;
  }
}

function check(removal: Removal, by: CallContext): void {
  const invalid = (detail: string): never => {
    throw fail("admin_request_invalid", { detail });
  };
  const { whom, reason } = removal;
  if (reason.length > REASON) invalid(`reason has ${reason.length} characters, the limit is ${REASON}`);
  if (removal.kind === "unsubscribe" || removal.stayAwayMs === 0) return;
  const { stayAwayMs } = removal;
  if (!(stayAwayMs > 0 && stayAwayMs <= LONGEST_MS)) invalid("stay_away is not between 0 and 365 days");
  if (whom.kind === "session") invalid("only a principal can be told to stay away; give it in place of the session");
  if (whom.name === by.get(principal).id) invalid("you would lock yourself out");
}

function errorOf(removal: Removal): ConnectError {
  const reason = removal.reason === "" ? "no reason was given" : removal.reason;
  if (removal.kind === "unsubscribe") return fail("unsubscribed", { address: removal.address, reason });
  if (removal.stayAwayMs === 0) return fail("disconnected", { reason });
  return fail("stays_away", { reason, retryAfterMs: removal.stayAwayMs });
}

function endSession(session: ServerSession, error: ConnectError, by: CallContext | undefined): void {
  const end = (): void => session.end(error);
  // Whoever sends himself away gets his answer: his signal is aborted when that is written, or already if he waits for none.
  if (by?.get(sessionId) === session.id && !by.signal.aborted) by.signal.addEventListener("abort", end, { once: true });
  else end();
}

function unsubscribe(session: ServerSession, address: string, error: ConnectError): number {
  let count = 0;
  for (const { receiver } of [...session.core.calls]) {
    if (!(receiver instanceof Subscription) || receiver.address !== address) continue;
    receiver.close(error);
    count++;
  }
  return count;
}

/** Is it the call itself, or the session that it came by? */
function isOf(by: CallContext | undefined, context: ContextValues): boolean {
  const session = context.get(sessionId);
  return by !== undefined && (session === "" ? context === by.values : session === by.get(sessionId));
}

function isMeant({ context, address }: NativeCall, { whom, ...removal }: Removal): boolean {
  if (context.get(principal).id !== whom.name) return false;
  return removal.kind === "disconnect" || address === removal.address;
}

const absenceKey = (id: string): string => `admin stays-away ${id}`;

/** Throws `admin_request_invalid`. */
export function whomOf(given: DisconnectRequest["whom"] | UnsubscribeRequest["whom"]): Whom {
  // Who is nobody has no name: all who are would be meant.
  if (given.case === undefined || given.value === "")
    throw fail("admin_request_invalid", { detail: "neither a session nor a principal is named" });
  if (given.value.length > NAME)
    throw fail("admin_request_invalid", { detail: `the ${given.case}'s name has more than ${NAME} characters` });
  return { kind: given.case, name: given.value };
}

/** Whole milliseconds; 0 if there is none. */
export function durationMs(duration: Duration | undefined): number {
  return duration === undefined ? 0 : Math.ceil(Number(duration.seconds) * 1_000 + duration.nanos / 1e6);
}
