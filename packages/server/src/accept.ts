// The server's side of a handshake: from an opened link to a session, new or resumed, or to a clear refusal.
import { ConnectError, type ContextValues } from "@connectrpc/connect";
import {
  type BatchStation,
  type ByteMeter,
  type Codec,
  type Link,
  type LinkReceiver,
  type Clock,
  type Random,
  type Timer,
  clientAddress,
  fail,
  networkOf,
  peer as peerKey,
  principal,
  retryAfterMs,
  sessionId,
  transportName,
} from "@raceway/core";
import {
  type FlushQueue,
  type Handshake,
  type HelloFrame,
  PublishingSession,
  SessionLink,
  type WelcomeFrame,
  chooseCoders,
  encodeFrame,
  headersOf,
  partsToJson,
  readBatch,
  statusOf,
  toHex,
} from "@raceway/core/internal";
import { type Admit, Entrance } from "./admission.ts";
import { ContextLayer } from "./context-layer.ts";
import { isPromise } from "./is-promise.ts";
import { MeteredLink } from "./metered-link.ts";
import { ObservedLink } from "./observed-link.ts";
import { ServerSession, type SessionHost, type Sessions } from "./sessions.ts";
import { shownError } from "./shown-error.ts";

/** What the door needs of the house. */
export interface AcceptHost extends SessionHost {
  readonly clock: Clock;
  readonly random: Random;
  readonly queue: FlushQueue;
  readonly sessions: Sessions;
  readonly codecs: readonly Codec[];
  readonly transports: readonly string[];
  readonly node: string;
  readonly maxLinkAgeMs: number;
  /** Undefined while new sessions are welcome. */
  readonly drain: { readonly endpoints: readonly string[] } | undefined;
  /** Runs the session stations of all plugins; undefined if there are none. */
  readonly admit: Admit | undefined;
  /** Says who counts the bytes of a link; undefined if nobody counts any. */
  readonly meter: ((context: ContextValues) => ByteMeter | undefined) | undefined;
  /** The batch stations of all plugins, in order. */
  readonly coding: readonly BatchStation[];
}

const WIRE_VERSION = 1;
/** Links of one session that may stand by: more than any race has runners. */
const MAX_STANDBY = 8;
/** Length of a session's public name. */
const ID_BYTES = 16;
const NO_BYTES = new Uint8Array(0);
/** Clients that meet a draining server come back no sooner than so, in milliseconds; what takes its place may be there by then. */
const DRAIN_RETRY_MS = 250;

/** Takes over a link that a transport has opened. */
export function accept(host: AcceptHost, opened: Link): LinkReceiver {
  const { observer, clock, limits } = host;
  const metered = host.meter === undefined ? undefined : new MeteredLink(opened, clock, limits.heartbeatMs);
  const accepting = new Accepting(host, metered);
  const link = metered ?? opened;
  const text = !link.traits.binary;
  const sessionLink =
    observer === undefined
      ? new SessionLink(link, accepting, text)
      : new ObservedLink(link, accepting, text, observer, clock);
  accepting.watch(sessionLink);
  if (metered === undefined) return sessionLink;
  metered.receiver = sessionLink;
  return metered;
}

class Accepting implements Handshake {
  readonly #host: AcceptHost;
  readonly #metered: MeteredLink | undefined;
  #timer: Timer | undefined;
  #greeted = false;
  /** A new session about which plugins are asked. */
  #applicant: ServerSession | undefined;

  constructor(host: AcceptHost, metered: MeteredLink | undefined) {
    this.#host = host;
    this.#metered = metered;
  }

  watch(link: SessionLink): void {
    const { helloMs } = this.#host.limits;
    this.#timer = this.#host.clock.after(helloMs, () => this.#refuse(link, fail("hello_timeout", { ms: helloMs })));
  }

  batch(link: SessionLink, bytes: Uint8Array): void {
    const { limits } = this.#host;
    try {
      if (bytes.length > limits.helloBytes)
        throw fail("hello_too_large", { bytes: bytes.length, limit: limits.helloBytes });
      if (bytes[0] === 0x7b) link.text = true; // "{": answer in the form that was spoken
      let hello: HelloFrame | undefined;
      readBatch(bytes, limits, (frame) => {
        if (frame.kind !== "hello") throw fail("frame_unexpected", { frame: frame.kind, state: "before Welcome" });
        if (this.#greeted) throw fail("frame_unexpected", { frame: "hello", state: "twice" });
        this.#greeted = true;
        hello = frame;
      });
      if (hello === undefined) return; // an empty batch says nothing
      const result = this.#hello(link, hello);
      if (result !== undefined) result.catch((error: unknown) => this.#refuse(link, error));
    } catch (error) {
      this.#refuse(link, error);
    }
  }

  closed(): void {
    this.#timer?.[Symbol.dispose]();
    this.#notAdmitted(fail("link_closed", { transport: "present", detail: "before Welcome" }));
  }
  #notAdmitted(cause: unknown): void {
    this.#applicant?.notAdmitted(ConnectError.from(cause));
    this.#applicant = undefined;
  }

  #hello(link: SessionLink, hello: HelloFrame): Promise<void> | undefined {
    const host = this.#host;
    if (hello.version !== WIRE_VERSION) throw fail("version_unsupported", { version: hello.version });
    if (hello.session.length > 0) return this.#resume(link, hello); // also while draining: what is in flight is to end well
    if (host.drain !== undefined) throw fail("draining", { retryAfterMs: DRAIN_RETRY_MS });
    const codec = agreed(hello.codecs, host.codecs);
    if (codec === undefined) throw fail("codec_unsupported", { codecs: hello.codecs.join(", ").slice(0, 100) });
    const address = networkOf(link.link.peer.address);
    host.sessions.checkAddress(address);
    const id = toHex(host.random.bytes(ID_BYTES));
    const context = sessionContext(link, id);
    const session = new ServerSession(host.sessions, host, {
      id,
      secret: toHex(host.random.bytes(32)),
      context,
      address,
    });
    const entrance = this.#entrance("open", link, hello, context, session);
    if (entrance !== undefined) this.#applicant = session;
    const welcome = (): void => {
      if (link.over) return;
      session.address = networkOf(context.get(clientAddress)) || session.address;
      host.sessions.checkAddress(session.address); // again: others may have come while this one was asked who he is
      session.principal = context.get(principal).id;
      host.sessions.checkPrincipal(session.principal);
      session.core = new PublishingSession({
        side: "server",
        limits: host.limits,
        clock: host.clock,
        queue: host.queue,
        owner: session,
        codec,
      });
      if (hello.window !== undefined) session.core.peerWindow = hello.window;
      session.admitted(context, entrance);
      host.sessions.add(session);
      this.#applicant = undefined;
      this.#welcome(link, session, hello, false);
    };
    const admitted = entrance && host.admit?.(entrance);
    if (isPromise(admitted)) return admitted.then(welcome);
    welcome();
    return undefined;
  }

  #resume(link: SessionLink, hello: HelloFrame): Promise<void> | undefined {
    const host = this.#host;
    const session = hello.session.length === ID_BYTES ? host.sessions.find(toHex(hello.session)) : undefined;
    if (session === undefined) throw fail("resume_impossible");
    // Before anything that costs more than this: whoever guesses gets no further, and cannot use up what the owner is allowed.
    if (!equal(session.secret, hello.secret)) throw fail("resume_refused");
    session.checkResume(host.clock.now());
    const context = sessionContext(link, session.id);
    const entrance = this.#entrance("resume", link, hello, context, session);
    const welcome = (): void => {
      if (link.over) return;
      if (!session.owns(context)) throw fail("resume_refused");
      // Late on its way, or said again by somebody who heard it: the client speaks on a newer link.
      if (hello.attempt > 0 && hello.attempt <= session.core.attempt) throw fail("session_taken");
      if (!session.core.resumableFrom(hello.received)) {
        // Claims that cannot be are no reason to end the session of whoever owns it; a gap that was given up is, unless it lives on another link.
        const { core } = session;
        if (core.over === undefined && core.current === undefined && hello.received <= core.transmitted)
          core.end(fail("resume_impossible"), false);
        throw fail("resume_impossible");
      }
      if (!session.core.fits(link, hello.received)) {
        // Over this link the session would end it again and again; over another it may go on, if there still is one.
        if (session.core.current !== undefined)
          throw fail("transport_failed", {
            transport: link.link.transport,
            detail: "a message under way is too large for it",
          });
        session.core.end(fail("resume_impossible"), false);
        throw fail("resume_impossible");
      }
      session.admitted(context, entrance);
      session.resumed = true;
      this.#welcome(link, session, hello, true);
    };
    const admitted = entrance && host.admit?.(entrance);
    if (isPromise(admitted)) return admitted.then(welcome);
    welcome();
    return undefined;
  }

  #entrance(
    kind: "open" | "resume",
    link: SessionLink,
    hello: HelloFrame,
    context: ContextValues,
    session: ServerSession,
  ): Entrance | undefined {
    if (this.#host.admit === undefined) return undefined;
    const { peer, transport } = link.link;
    const credential = hello.credential === "" ? undefined : hello.credential;
    return new Entrance({ kind, peer, transport, credential, headers: headersOf(hello.header), context }, session);
  }

  #welcome(link: SessionLink, session: ServerSession, hello: HelloFrame, resumed: boolean): void {
    const host = this.#host;
    const { limits } = host;
    this.#timer?.[Symbol.dispose]();
    const received = session.core.received;
    const silenceMs = limits.heartbeatMs + limits.silenceMs;
    const coders =
      hello.coders === undefined || link.text || host.coding.length === 0
        ? undefined
        : chooseCoders(host.coding, hello.coders);
    const welcome: WelcomeFrame = {
      kind: "welcome",
      version: WIRE_VERSION,
      codec: session.codec.name,
      session: unhex(session.id),
      secret: resumed ? NO_BYTES : unhex(session.secret),
      received,
      resumed,
      window: { messages: limits.windowMessages, bytes: limits.windowBytes },
      heartbeatMs: limits.heartbeatMs,
      silenceMs,
      resumeMs: limits.resumeMs,
      maxMessageBytes: limits.messageBytes,
      transports: host.transports,
      maxBatchBytes: limits.batchBytes,
      maxAgeMs: host.maxLinkAgeMs,
      node: host.node,
      credentialMs: session.credentialMs,
      coders,
    };
    send(link, welcome);
    if (this.#metered !== undefined) this.#metered.meter = host.meter!(session.context);
    if (coders !== undefined && coders.length > 0)
      link.coding = host.coding[0]!.code(link, host.coding, coders, limits, "server");
    link.attempt = hello.attempt;
    host.sessions.attached(session);
    if (link instanceof ObservedLink) {
      link.owner = session;
      if (!resumed) session.began(link.link.transport);
      else if (session.core.current === undefined) session.cameBack(link.link.transport);
    }
    session.core.attach(link, hello.received);
    session.core.watch(limits.heartbeatMs, silenceMs);
    if (!link.standby) return;
    const standing = session.core.links.filter((each) => each.standby);
    for (const oldest of standing.slice(0, -MAX_STANDBY)) session.core.release(oldest);
    // The client takes it by speaking on it. If it never does, it took another, or never got the Welcome.
    host.clock.after(limits.helloMs, () => {
      if (link.standby) session.core.release(link);
    });
  }

  /** Says why, and closes the link. Nothing else is touched. */
  #refuse(link: SessionLink, cause: unknown): void {
    this.#timer?.[Symbol.dispose]();
    this.#notAdmitted(cause);
    if (link.over || link.session !== undefined) return;
    const error = shownError(cause, this.#host.log, "handshake");
    this.#host.observer?.refused?.({ what: "handshake", transport: link.link.transport, channel: "", error });
    send(link, {
      kind: "goaway",
      status: statusOf(error),
      retryAfterMs: retryAfterMs(error) ?? 0,
      endpoints: this.#host.drain?.endpoints ?? [],
      final: true,
    });
    link.link.close();
  }
}

function send(link: SessionLink, frame: Parameters<typeof encodeFrame>[0]): void {
  const parts = [encodeFrame(frame)];
  if (!link.link.send(link.text ? partsToJson(parts, false) : parts)) link.blocked = true;
}

/** What is known of who comes before anybody was asked. */
export function sessionContext(link: SessionLink, id: string): ContextValues {
  const { peer, transport } = link.link;
  return new ContextLayer(undefined, [peerKey.id, peer, sessionId.id, id, transportName.id, transport]);
}

/** The client's best codec that is known here. */
function agreed(wanted: readonly string[], have: readonly Codec[]): Codec | undefined {
  for (const name of wanted) {
    const codec = have.find((each) => each.name === name);
    if (codec !== undefined) return codec;
  }
  return undefined;
}

/** In constant time for equal lengths, as the length is no secret. */
function equal(secret: string, claim: Uint8Array): boolean {
  if (secret.length !== claim.length * 2) return false;
  const claimed = toHex(claim);
  let difference = 0;
  for (let at = 0; at < secret.length; at++) difference |= secret.charCodeAt(at) ^ claimed.charCodeAt(at);
  return difference === 0;
}

function unhex(text: string): Uint8Array {
  return Uint8Array.from({ length: text.length / 2 }, (_, at) => Number.parseInt(text.slice(at * 2, at * 2 + 2), 16));
}
