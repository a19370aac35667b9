// The reliable conversation of one client with one server, the same class on both ends: numbers, acknowledges, resends, drops what comes twice.
//
// Sans I/O: methods in, port calls out; no promise, no timer of its own, no clock but the host's. It is one state machine, which reads
// best in one piece. How it counts: each direction numbers its counted frames from 0, for the life of the session. A link knows the number that comes
// next on it (`SessionLink.next`) and the number that goes next on it (`sent`). Whoever begins to send on a link, or goes on over an older one, says
// the number first (`Ack.from`): what the other side has acknowledged by then, over whichever link. Frames are taken from any open link: one below
// `received` came already over another and is dropped; one above cannot be. Frames are sent on the current link, from the replay buffer. So resume,
// switch and fall back are one mechanism: another link becomes current, and says from where it goes on. No link waits for what another says.
// It is long because numbering, acknowledgement, links and liveness change the same few counters.
import { Code, ConnectError } from "@connectrpc/connect";
import type { BatchWindow, Pace } from "./batch-window.ts";
import { readBatch } from "./batch.ts";
import { Call, type CallReceiver } from "./calls.ts";
import type { Clock, Timer } from "./clock.ts";
import type { Codec } from "./codec.ts";
import { fail } from "./errors.ts";
import type { FlushQueue } from "./flush-queue.ts";
import { FrameWriter, encodeFrame } from "./frame-binary.ts";
import { partsToJson } from "./frame-json.ts";
import {
  type AuthFrame,
  type Frame,
  type GoawayFrame,
  type HeaderField,
  type OpenFrame,
  type TopicFrame,
  type Window,
  type WirePosition,
  isCounted,
} from "./frame.ts";
import type { Limits } from "./limits.ts";
import { ReplayBuffer } from "./replay-buffer.ts";
import type { SessionLink } from "./session-link.ts";
import { checkHeader, statusOf } from "./wire-values.ts";

/** What the session tells its owner. Must not throw. */
export interface SessionOwner {
  /** Server: the client opened a call; `call.receiver` is to be set before returning. */
  opened(call: Call, frame: OpenFrame): void;
  /** No link is left; the session waits for the next. */
  linkLost(error: ConnectError | undefined): void;
  /** While there is no link, more came to be kept for the next. */
  waits(): void;
  auth(frame: AuthFrame): void;
  goaway(link: SessionLink, frame: GoawayFrame): void;
  /** A Pong to `ping`. */
  pong(id: number): void;
  /** A call was refused, or a message of it, as too large or beyond its credit. */
  refused?(error: ConnectError): void;
  /** The session is over; all calls have been told. */
  ended(error: ConnectError): void;
}

export interface SessionInit {
  readonly side: "client" | "server";
  readonly limits: Limits;
  readonly clock: Clock;
  readonly queue: FlushQueue;
  readonly owner: SessionOwner;
  readonly codec: Codec;
}

/** A flush begins when so much is collected, though the turn is not over: 32 KiB is where a write's cost is all in its bytes. */
const CUT_BYTES = 32 * 1024;
/** Frames grow as text: base64 by a third, and a small frame like Credit fivefold, by the names of its fields. */
export const TEXT_GROWTH = 6;
/** Share of a text batch that one payload may take: three quarters less what its headers may need. */
export const TEXT_PAYLOAD = 0.74;
/** The same of a binary batch: 1 MiB of the 1,114,112 bytes that HTTP transports carry unless told otherwise. */
const BINARY_PAYLOAD = 16 / 17;
/** Received and not yet acknowledged: an Ack goes with the next flush above these, or after the delay below. */
const ACK_BYTES = 32 * 1024;
const ACK_FRAMES = 128;
const ACK_DELAY_MS = 500;
/** How far above its limit the replay buffer may go before old frames are given up (and with them resumability). */
const REPLAY_HARD = 4;
/** Uncounted frames that may wait for a link to take them; the link of a peer that has more asked for is closed. */
const MAX_CONTROL = 1_000;
/** Silence is borne at most so many times as long as agreed, after links that brought nothing. */
const MAX_PATIENCE = 8;
/** Milliseconds that a link has to show that it lives, after this process was asleep. */
const CHECK_MS = 5_000;
/** How long a link that was replaced may stay, so that what is on the way still arrives. */
const OLD_LINK_MS = 5_000;

/** In `due`: something besides publications. */
export const OWN = 1;

/** `SessionLink.next` before the other side has said it. */
const UNNUMBERED = -1e15;

const NONE_BLOCKED: ReadonlySet<Call> = new Set();
const NO_GROUPS: readonly (readonly Uint8Array[])[] = [];

const placeholder: CallReceiver = { data() {}, end() {}, cancelled() {}, writable() {}, lost() {} };

export class Session {
  // First what a fan-out looks at: it goes to thousands of sessions in a row, and each line of memory that it needs of them takes time.
  /** What is to be sent, or may be: `OWN`, `GROUPS`. Zero: nothing was written, received or changed since the last flush, which left nothing behind. */
  protected due: number = OWN;
  /** The link that is sent on. */
  current: SessionLink | undefined;
  /** Undefined while the session lives. */
  over: ConnectError | undefined;
  readonly limits: Limits;

  readonly side: "client" | "server";
  readonly clock: Clock;
  readonly writer: FrameWriter = new FrameWriter();
  readonly replay: ReplayBuffer = new ReplayBuffer();
  /** Initial credit of calls in the direction to the other side; set by the handshake. */
  peerWindow: Window;
  /** Largest message that may be sent. */
  maxMessageBytes: number;
  /** Writes its payloads. Where it is text, text batches show them as they are. On a client the one that is hoped for, until the Welcome says. */
  codec: Codec;
  /** The most that the other side has acknowledged, over any link. */
  #peerAcked = 0;
  /** While there is no link: the next one may carry text only. */
  expectsText = false;
  /** Server: the client's number of the newest link on which it spoke; a Hello with this or an older number is out of date. */
  attempt = 0;
  /** Publications received; with `received`, what tells a link that carries something from one that is only open. */
  published = 0;

  readonly #owner: SessionOwner;
  protected readonly queue: FlushQueue;
  readonly #calls = new Map<number, Call>();
  /** Those that wait for room; undefined while none ever did. */
  #blocked: Set<Call> | undefined;
  #subscriptions = 0;
  /** Highest call id so far. */
  #lastCall = 0;
  /** Client: handle of a topic → the calls that subscribed it. */
  #handles: Map<number, Call[]> | undefined;
  /** All open links that belong to the session, the current one included. */
  #links: SessionLink[] = [];
  /** Server: calls that are cancelled in the batch that is read. */
  #givenUp: Set<number> | undefined;
  /** Counted frames received. */
  #received = 0;
  #unackedFrames = 0;
  #unackedBytes = 0;
  #ackTimer: Timer | undefined;
  /** Counted frames handed to some link at least once. */
  #transmitted = 0;
  /** Uncounted frames to go out with the next flush. */
  #control: Uint8Array[] = [];
  #queuedTurn = false;
  /** Undefined while nothing ever waited. */
  #pace: Pace | undefined;
  #waited: (() => void) | undefined;
  #tokens: number;
  #tokensAt: number;
  #throttle: Timer | undefined;
  #heartbeat: Timer | undefined;
  #heartbeatMs = 0;
  #silenceMs = 0;
  /** Silence is borne so many times as long, until then. */
  #patience = 1;
  #patientUntil = 0;
  /** The present link is doubted, and has some time to answer. */
  #checking = false;
  #lookedAt = 0;

  constructor(init: SessionInit) {
    this.side = init.side;
    this.codec = init.codec;
    this.limits = init.limits;
    this.clock = init.clock;
    this.#owner = init.owner;
    this.queue = init.queue;
    this.peerWindow = { messages: init.limits.windowMessages, bytes: init.limits.windowBytes };
    this.maxMessageBytes = init.limits.messageBytesOut;
    this.#tokens = init.limits.framesBurst;
    this.#tokensAt = init.clock.now();
  }

  /** Counted frames received: what a handshake tells the other side. */
  get received(): number {
    return this.#received;
  }
  /** Room for streams: there is a link, and it and the replay buffer are below their marks. */
  get roomy(): boolean {
    const { current } = this;
    return current !== undefined && !current.blocked && this.replay.bytes + this.writer.bytes < this.limits.replayBytes;
  }
  /** Counted frames handed to some link: an Open from this number on was never seen by anybody. */
  get transmitted(): number {
    return this.#transmitted;
  }
  get callsInFlight(): number {
    return this.#calls.size - this.#subscriptions;
  }
  get subscriptions(): number {
    return this.#subscriptions;
  }
  get calls(): IterableIterator<Call> {
    return this.#calls.values();
  }

  /** Client: the server's initial credit has become known; calls that are open get it, too. */
  setPeerWindow(window: Window): void {
    const messages = window.messages - this.peerWindow.messages;
    const bytes = window.bytes - this.peerWindow.bytes;
    this.peerWindow = window;
    for (const call of this.#calls.values()) call.credited(messages, bytes);
  }

  // ---- calls

  /** Client: opens a call. `payload` with `end` is the whole request. Throws `message_too_large`, `headers_too_large`. */
  open(
    receiver: CallReceiver,
    method: string,
    init: {
      header?: readonly HeaderField[];
      timeoutMs?: number;
      idempotencyKey?: string;
      after?: WirePosition;
      payload?: Uint8Array;
    },
  ): Call {
    if (init.header !== undefined) checkHeader(init.header, this.limits);
    if (init.payload !== undefined) this.checkMessage(init.payload);
    const call = new Call(this, ++this.#lastCall, receiver, this.replay.end + this.writer.count);
    this.#calls.set(call.id, call);
    const end = init.payload !== undefined;
    call.localEnded = end;
    this.writer.open(
      call.id,
      method,
      init.header,
      init.timeoutMs ?? 0,
      init.idempotencyKey ?? "",
      init.after,
      end,
      init.payload,
    );
    this.wrote();
    return call;
  }

  /** Marks a call as a subscription: it has a limit of its own. */
  subscribed(call: Call): void {
    if (call.subscription) return;
    call.subscription = true;
    this.#subscriptions++;
  }

  /** Calls that wait for room. */
  get blocked(): ReadonlySet<Call> {
    return this.#blocked ?? NONE_BLOCKED;
  }
  /** By a call that waits for room: has `CallReceiver.writable` called when there is some. */
  block(call: Call): void {
    call.waiting = true;
    (this.#blocked ??= new Set()).add(call);
  }
  /** By a call that waits no more. */
  unblock(call: Call): void {
    call.waiting = false;
    this.#blocked!.delete(call);
  }

  /** By a call that is over. */
  forget(call: Call): void {
    call.over = true;
    call.localEnded = true;
    if (call.subscription) this.#subscriptions--;
    this.#calls.delete(call.id);
    if (call.waiting) this.#blocked!.delete(call);
    if (this.#handles === undefined || call.receiver.publication === undefined) return;
    for (const [handle, calls] of this.#handles) {
      const at = calls.indexOf(call);
      if (at >= 0) calls.splice(at, 1);
      if (calls.length === 0) this.#handles.delete(handle);
    }
  }

  /**
   * Client, by a call that is cancelled: should its Open have to be sent yet, or again, it opens nothing, so that a call which has failed is never run
   * later. The frame stays, for frames are counted: it names no method, and the server refuses it.
   */
  withdraw(call: Call): void {
    if (this.side === "server" || call.opened < this.#peerAcked) return;
    this.#keep();
    this.replay.replace(
      call.opened,
      encodeFrame({
        kind: "open",
        call: call.id,
        method: "",
        header: [],
        timeoutMs: 0,
        idempotencyKey: "",
        after: undefined,
        end: true,
        payload: undefined,
      }),
    );
  }

  /** Throws `message_too_large`. */
  checkMessage(payload: { readonly length: number }): void {
    const { current } = this;
    let limit = this.maxMessageBytes;
    if (current === undefined ? this.expectsText : current.text) {
      // Base64 makes four bytes of three, and headers take some. Said here, to the one call: a batch that the link cannot carry would end it,
      // again on each resume. What was written before leaves by itself, so that a large message has its batch to itself.
      limit = Math.min(
        limit,
        Math.floor((current === undefined ? this.limits.batchBytes : this.mostOf(current)) * TEXT_PAYLOAD - 512),
      );
      if (payload.length >= CUT_BYTES) this.flush();
    } else if (current) limit = Math.min(limit, Math.floor(current.link.traits.maxBatchBytes * BINARY_PAYLOAD));
    if (payload.length > limit) throw fail("message_too_large", { bytes: payload.length, limit });
  }

  // ---- sending

  /** Something was written to `writer`: it leaves at the end of the turn, or now if it is much. */
  wrote(): void {
    this.due |= OWN;
    if (this.writer.bytes >= CUT_BYTES) this.flush();
    else if (!this.#queuedTurn) {
      this.#queuedTurn = true;
      this.queue.atTurnEnd(this);
    }
  }

  /** A message was written that may wait for company. */
  wroteWithin(window: BatchWindow, bytes: number): void {
    this.due |= OWN;
    this.#pace ??= window.pace(this.clock);
    this.#waited ??= (): void => this.wrote();
    if (this.#pace.add(window, bytes, this.#waited) || this.writer.bytes >= CUT_BYTES) this.wrote();
  }

  /** Sends an uncounted frame with the next flush. Lost with the link. */
  control(frame: Frame): void {
    const { current } = this;
    if (current === undefined) return; // whatever belongs to a link is said anew on the next
    if (this.#control.length >= MAX_CONTROL) {
      // Asked for faster than it is read, as pongs are by a peer that does not read.
      this.linkFailed(current, fail("too_many_frames", { limit: MAX_CONTROL }));
      return;
    }
    this.due |= OWN;
    this.#control.push(encodeFrame(frame));
    if (!this.#queuedTurn) {
      this.#queuedTurn = true;
      this.queue.atTurnEnd(this);
    }
  }

  /** Writes what has come together, in one batch where it fits. Called at the flush points. */
  flush(): void {
    this.#queuedTurn = false;
    this.#pace?.flushed();
    this.#keep();
    const link = this.current;
    if (link === undefined || link.blocked || link.over || this.over !== undefined) return;
    if (this.#unackedFrames >= ACK_FRAMES || this.#unackedBytes >= ACK_BYTES) this.#ack();
    const groups = this.groups(link);
    const { replay } = this;
    let parts: Uint8Array[] = this.#control;
    let bytes = 0;
    let own = Infinity;
    this.#control = [];
    const most = this.mostOf(link) / (link.text ? TEXT_GROWTH : 1);
    const add = (more: readonly Uint8Array[], size: number): boolean => {
      if (bytes > 0 && bytes + size > most) {
        this.write(link, parts, own);
        parts = [];
        bytes = 0;
        own = Math.min(own, 0);
        if (link.blocked || link.over) return false;
      }
      bytes += size;
      for (const part of more) parts.push(part);
      return true;
    };
    if (link.sent < replay.end && link.sent >= replay.kept) {
      replay.from(link.sent, (more, next, size) => {
        if (!add(more, size)) return false;
        link.sent = next;
        return true;
      });
      if (link.sent > this.#transmitted) this.#transmitted = link.sent;
    }
    // Groups were promised to their subscribers, so they go even on a link that is just now full.
    if (groups.length > 0) own = parts.length;
    for (const shared of groups) {
      let size = 0;
      for (const part of shared) size += part.length;
      if (!add(shared, size)) for (const part of shared) parts.push(part);
    }
    if (parts.length > 0) this.write(link, parts, own);
    this.due = link.sent < replay.end ? OWN : 0;
    // Last: it wakes calls, which may write so much that the next flush is due at once, and that must not overtake this one.
    if (this.#peerAcked > replay.acked) this.#forgetAcked();
  }

  /** Server: the parts of the publications that wait, none of which wait any more. */
  protected groups(_link?: SessionLink): readonly (readonly Uint8Array[])[] {
    return NO_GROUPS;
  }

  /** What was written is kept until it is acknowledged. */
  #keep(): void {
    const { writer, replay } = this;
    const { count, bytes } = writer;
    if (count === 0) return;
    replay.push(writer.take(), count, bytes);
    if (this.current !== undefined) return; // while there is a link, however slow, nothing is given up: its numbers would be wrong
    const hard = this.limits.replayBytes * REPLAY_HARD + this.maxMessageBytes;
    if (replay.bytes > hard) replay.trim(hard);
    this.#owner.waits();
  }

  /** Largest batch that a link carries. */
  protected mostOf(link: SessionLink): number {
    return Math.min(link.link.traits.maxBatchBytes, this.limits.batchBytes);
  }

  /** The first `own` parts are for this link alone, the others belong to groups. */
  protected write(link: SessionLink, parts: readonly Uint8Array[], own: number): void {
    link.spoke = true;
    const room =
      link.coding === undefined
        ? link.link.send(link.text ? partsToJson(parts, !this.codec.binary) : parts)
        : link.coding.send(parts, own);
    if (!room) link.blocked = true;
  }

  #ack(from?: number): void {
    this.#ackTimer?.[Symbol.dispose]();
    this.#ackTimer = undefined;
    this.#unackedFrames = this.#unackedBytes = 0;
    this.due |= OWN;
    this.#control.push(encodeFrame({ kind: "ack", received: this.#received, from }));
  }

  readonly #ackLate = (): void => {
    this.#ackTimer = undefined;
    if (this.#unackedFrames === 0 || this.current === undefined) return;
    this.#ack();
    this.flush();
  };

  // ---- receiving

  /** By a link: a batch came. */
  receive(link: SessionLink, bytes: Uint8Array): void {
    if (this.over !== undefined) return;
    if (link.fresh && this.side === "server") {
      if (link.attempt > this.attempt) this.attempt = link.attempt;
      this.#lookAhead(bytes);
    }
    link.fresh = false;
    if (link.standby) {
      // The client speaks on it, so it has chosen it.
      const old = this.current;
      if (!this.#use(link, false)) return this.release(link);
      if (old !== undefined) this.#retire(old);
    }
    const before = this.#received;
    let frames = 0;
    try {
      readBatch(bytes, this.limits, (frame) => {
        frames++;
        if (this.over === undefined) this.#frame(link, frame);
      });
    } catch (error) {
      this.linkFailed(link, error);
      return;
    }
    this.#givenUp = undefined;
    const counted = this.#received - before;
    if (counted > 0) {
      this.#unackedFrames += counted;
      this.#unackedBytes += bytes.length;
      if (this.#unackedFrames >= ACK_FRAMES || this.#unackedBytes >= ACK_BYTES) {
        this.due |= OWN;
        if (!this.#queuedTurn) {
          this.#queuedTurn = true;
          this.queue.atTurnEnd(this);
        }
      } else if (this.#ackTimer === undefined) this.#ackTimer = this.clock.after(ACK_DELAY_MS, this.#ackLate);
    }
    if (this.side === "server") this.#meter(link, frames);
  }

  /**
   * What a link says first repeats what the one before has lost: a call that was given up meanwhile is not begun at all. And it says what the client
   * has: that need not be sent again.
   */
  #lookAhead(bytes: Uint8Array): void {
    try {
      readBatch(bytes, this.limits, (frame) => {
        if (frame.kind === "cancel") (this.#givenUp ??= new Set()).add(frame.call);
        else if (frame.kind === "ack" && frame.received <= this.#transmitted) this.#acked(frame.received);
      });
    } catch {
      // Whoever reads it in earnest says so.
    }
  }

  #frame(link: SessionLink, frame: Frame): void {
    if (isCounted(frame)) {
      const number = link.next++;
      if (number < this.#received) {
        if (number < 0) throw fail("frame_unexpected", { frame: frame.kind, state: "before an Ack said its number" });
        return; // came already, over another link
      }
      this.#received++;
    }
    switch (frame.kind) {
      case "data": {
        const call = this.#calls.get(frame.call);
        if (call === undefined) return this.#unknown(frame.call, "data");
        if (call.remoteEnded)
          throw fail("frame_unexpected", { frame: "data", state: `after the end of call ${frame.call}` });
        if (!call.received(frame.payload.length)) return this.#violated(call);
        if (frame.payload.length > this.#takes)
          return this.#refuse(call, fail("message_too_large", { bytes: frame.payload.length, limit: this.#takes }));
        call.receiver.data(frame.payload, frame.header);
        return;
      }
      case "end": {
        const call = this.#calls.get(frame.call);
        if (call === undefined) return this.#unknown(frame.call, "end");
        if (frame.payload !== undefined && frame.payload.length > this.#takes) {
          return this.#refuse(call, fail("message_too_large", { bytes: frame.payload.length, limit: this.#takes }));
        }
        call.remoteEnded = true;
        if (this.side === "client") this.forget(call);
        call.receiver.end(frame);
        return;
      }
      case "open":
        return this.#open(frame);
      case "cancel": {
        const call = this.#calls.get(frame.call);
        if (call === undefined) return this.#unknown(frame.call, "cancel");
        this.forget(call);
        call.receiver.cancelled();
        return;
      }
      case "credit": {
        const call = this.#calls.get(frame.call);
        if (call === undefined) return this.#unknown(frame.call, "credit");
        call.credited(frame.messages, frame.bytes);
        return;
      }
      case "publication": {
        const calls = this.#handles?.get(frame.handle);
        this.published++;
        if (calls !== undefined) for (const call of calls) call.receiver.publication?.(frame);
        return;
      }
      case "topic":
        return this.#topic(frame);
      case "ack": {
        const { received } = frame;
        if (received < link.acked || received > this.replay.end)
          throw fail("count_invalid", { count: received, have: `${link.acked} acknowledged, ${this.replay.end} sent` });
        link.acked = received;
        if (frame.from !== undefined) this.#numbered(link, frame.from);
        this.#acked(received); // if not known already, over another link that was faster
        this.#forgetAcked();
        return;
      }
      case "ping":
        this.control({ kind: "pong", id: frame.id });
        return;
      case "pong":
        this.#owner.pong(frame.id);
        return;
      case "auth":
        this.#owner.auth(frame);
        return;
      case "goaway":
        this.#owner.goaway(link, frame);
        return;
      case "hello":
      case "welcome":
      case "coded": // on links without a coder; it would have been decoded by now
        throw fail("frame_unexpected", { frame: frame.kind, state: "after the handshake" });
    }
  }

  /** Largest message taken: a client takes what servers may send. */
  get #takes(): number {
    return this.side === "server" ? this.limits.messageBytes : this.limits.messageBytesOut;
  }

  #open(frame: OpenFrame): void {
    if (this.side === "client") throw fail("frame_unexpected", { frame: "open", state: "from a server" });
    if (frame.call <= this.#lastCall)
      throw fail("frame_unexpected", { frame: "open", state: `with call ${frame.call} after call ${this.#lastCall}` });
    this.#lastCall = frame.call;
    if (this.#givenUp?.has(frame.call) === true) return;
    const call = new Call(this, frame.call, placeholder, 0);
    this.#calls.set(call.id, call);
    call.remoteEnded = frame.end;
    if (frame.payload !== undefined && frame.payload.length > this.#takes) {
      return this.#refuse(call, fail("message_too_large", { bytes: frame.payload.length, limit: this.#takes }));
    }
    this.#owner.opened(call, frame);
  }

  #topic(frame: TopicFrame): void {
    const call = this.#calls.get(frame.call);
    if (call === undefined) return;
    if (this.side === "client") {
      const handles = (this.#handles ??= new Map<number, Call[]>());
      const calls = handles.get(frame.handle);
      if (calls === undefined) handles.set(frame.handle, [call]);
      else if (!calls.includes(call)) calls.push(call);
    }
    call.receiver.topic?.(frame);
  }

  /** A frame for a call that is not there: fine if it is over (the frames crossed), wrong if it never was. */
  #unknown(id: number, frame: string): void {
    if (id === 0 || id > this.#lastCall)
      throw fail("frame_unexpected", { frame, state: `for call ${id}, which was never opened` });
  }

  #violated(call: Call): void {
    this.#refuse(call, fail("flow_violated", { call: call.id }));
  }

  /** Ends one call with an error of ours; the session goes on. */
  #refuse(call: Call, error: ConnectError): void {
    const { receiver } = call;
    if (this.side === "server") call.finish(statusOf(error));
    else call.cancel();
    receiver.lost(error);
    this.#owner.refused?.(error);
  }

  /** Frames per second: first the link is paused until there are tokens again; a peer that goes on all the same is cut. */
  #meter(link: SessionLink, frames: number): void {
    this.#tokens -= frames;
    if (this.#tokens >= 0 || this.over !== undefined) return;
    const { framesPerSecond, framesBurst } = this.limits;
    const now = this.clock.now();
    this.#tokens = Math.min(framesBurst, this.#tokens + ((now - this.#tokensAt) * framesPerSecond) / 1000);
    this.#tokensAt = now;
    if (this.#tokens >= 0) return;
    // One batch may hold many frames: only what comes after the pause counts as going on.
    if (this.#throttle !== undefined && this.#tokens < -4 * framesBurst) {
      this.linkFailed(link, fail("too_many_frames", { limit: framesBurst }));
      return;
    }
    link.link.pause();
    this.#throttle ??= this.clock.after(Math.ceil((-this.#tokens * 1000) / framesPerSecond), () => {
      this.#throttle = undefined;
      for (const each of this.#links) each.link.resume();
    });
  }

  // ---- links

  /**
   * Can the session go on with a peer that has so many of our frames, or had when its handshake began? It may have acknowledged more since, over
   * another link. Not if frames were given up that it lacks.
   */
  resumableFrom(peerReceived: number): boolean {
    return (
      this.over === undefined &&
      Math.max(peerReceived, this.#peerAcked) >= this.replay.kept &&
      peerReceived <= this.#transmitted
    );
  }

  /**
   * A link has made its handshake: from now on it is sent on. `peerReceived` is what the other side said to have (`resumableFrom` it must hold).
   * On a server whose session has a link already, it stands by until the client speaks on it: whether the client got the Welcome, and takes this
   * link or another, only the client knows.
   */
  attach(link: SessionLink, peerReceived: number): void {
    link.session = this;
    link.handshake = undefined;
    link.next = link.first = this.#received > 0 ? UNNUMBERED : 0;
    link.acked = peerReceived;
    link.heardAt = link.spokeAt = this.clock.now();
    this.#links = this.#links.concat(link); // `push` on an empty array takes room for seventeen
    this.#acked(peerReceived);
    link.standby = this.side === "server" && this.current !== undefined;
    if (!link.standby) this.#use(link, false);
    this.#forgetAcked();
  }

  /** The other side says which number comes next on a link. */
  #numbered(link: SessionLink, from: number): void {
    if (from < link.next || from > this.#received)
      throw fail("count_invalid", { count: from, have: `${Math.max(link.next, 0)} to ${this.#received} can follow` });
    if (link.next === link.first) link.first = from;
    link.next = from;
  }

  /** The other side has so much. */
  #acked(received: number): void {
    if (received > this.#peerAcked) this.#peerAcked = received;
  }

  /** Forgets what the other side has. What was not sent on the current link stays even so, for a link's numbers leave nothing out unless it is said. */
  #forgetAcked(): void {
    const count = Math.min(this.#peerAcked, this.current?.sent ?? Infinity);
    if (count > this.replay.acked) this.replay.ack(count);
    this.#wake();
  }

  /** `own`: by this side's decision, of which the other may not know. False: what would have to follow on it was given up. */
  #use(link: SessionLink, own: boolean): boolean {
    if (link.sent < this.#peerAcked) link.sent = this.#peerAcked;
    if (link.sent < this.replay.kept) return false;
    this.current = link;
    link.standby = false;
    link.heardAt = link.spokeAt = this.clock.now();
    // What was not counted belonged to the link before.
    this.#control = [];
    this.groups();
    this.due |= OWN;
    // Said at once: it tells a server that its link was chosen, and each side what it need not send again, and from where the other goes on.
    if (this.#received > 0 || this.replay.end > 0 || this.#links.length > 1) this.#ack(link.sent);
    if (this.#subscriptions > 0) for (const call of [...this.#calls.values()]) call.receiver.relinked?.(own);
    this.flush();
    this.#wake();
    return true;
  }

  /** Server: the client closes what it leaves. A link that is still there later belongs to somebody who does not know that he was replaced. */
  #retire(old: SessionLink): void {
    if (this.side === "client") return;
    this.clock.after(OLD_LINK_MS, () => {
      if (old.over || this.current === old || this.over !== undefined) return;
      const status = statusOf(fail("session_taken"));
      this.release(old, { kind: "goaway", status, retryAfterMs: 0, endpoints: [], final: false });
    });
  }

  /** Has the link closed in good order, without touching the session. */
  release(link: SessionLink, goaway?: GoawayFrame): void {
    if (link.over) return;
    if (goaway !== undefined) {
      const bytes = [encodeFrame(goaway)];
      if (link.coding !== undefined) link.coding.goodbye(bytes);
      else link.link.send(link.text ? partsToJson(bytes, false) : bytes);
    }
    link.close();
  }

  get links(): readonly SessionLink[] {
    return this.#links;
  }

  /** By a link: there is room again. */
  drained(link: SessionLink): void {
    if (link !== this.current) return;
    this.flush();
    this.#wake();
  }

  #wake(): void {
    if (this.#blocked === undefined || this.#blocked.size === 0 || !this.roomy) return;
    for (const call of [...this.#blocked]) {
      if (!this.roomy) return;
      call.wake();
    }
  }

  /** By a link: it is over. Another that is still open takes its place; else the session waits. */
  linkClosed(link: SessionLink, error: ConnectError | undefined): void {
    const at = this.#links.indexOf(link);
    if (at >= 0) this.#links.splice(at, 1);
    if (link !== this.current) return;
    this.current = undefined;
    this.#control.length = 0;
    this.groups();
    if (this.over !== undefined) return;
    for (let last = this.#links.pop(); last !== undefined; last = this.#links.pop()) {
      this.#links.push(last);
      if (this.#use(last, true)) return;
      this.#links.pop();
      this.release(last);
    }
    this.#ackTimer?.[Symbol.dispose]();
    this.#ackTimer = undefined;
    this.#owner.linkLost(error);
  }

  /** A link broke the rules or fell silent: the other side is told why, the link is closed, the session waits for a better one. */
  linkFailed(link: SessionLink, cause: unknown): void {
    const error = ConnectError.from(cause, Code.Internal);
    this.release(link, { kind: "goaway", status: statusOf(error), retryAfterMs: 0, endpoints: [], final: false });
    link.end(error);
  }

  // ---- liveness

  /** Starts the watch: each side pings a link on which it was quiet for `heartbeatMs`, and counts a link dead after `silenceMs` without a byte. */
  watch(heartbeatMs: number, silenceMs: number): void {
    this.#heartbeatMs = heartbeatMs;
    this.#silenceMs = silenceMs;
    this.#lookedAt = this.clock.now();
    this.#heartbeat?.[Symbol.dispose]();
    this.#heartbeat = this.clock.after(this.#lookMs, this.#look);
  }

  /** Asks for a Pong: `SessionOwner.pong` gets the same id. */
  ping(id: number): void {
    this.control({ kind: "ping", id });
  }

  /** Eight looks in the time of silence: a dead link is found at most an eighth later than it could be. */
  get #lookMs(): number {
    return Math.max(5, Math.min(this.#heartbeatMs / 2, this.#silenceMs / 8));
  }

  readonly #look = (): void => {
    const now = this.clock.now();
    // A process that was itself asleep has no right to call others silent: what came meanwhile is not read yet.
    const lateMs = now - this.#lookedAt - this.#lookMs;
    const late = lateMs > this.#lookMs + 50;
    this.#lookedAt = now;
    if (now >= this.#patientUntil) this.#patience = 1;
    this.#heartbeat = this.clock.after(this.#lookMs, this.#look);
    for (const link of this.#links.length > 1 ? [...this.#links] : this.#links) {
      if (link.lively || late) {
        link.lively = false;
        link.heardAt = now;
      } else if (now - link.heardAt >= this.#silenceMs * this.#patience) {
        this.#silent(link, now);
        continue;
      }
      if (link.spoke) {
        link.spoke = false;
        link.spokeAt = now;
      } else if (link === this.current && now - link.spokeAt >= this.#heartbeatMs - this.#lookMs) {
        // Both sides do: a ping may wait behind much that is on a slow way, and so would the pong that it asks for.
        this.ping(0);
      }
    }
    // The other side has perhaps given the link up meanwhile, and what said so was lost.
    if (late && this.side === "client" && lateMs > this.#heartbeatMs) this.check(CHECK_MS);
  };

  #silent(link: SessionLink, now: number): void {
    if (link === this.current && link.next === link.first) {
      // It brought nothing at all. Perhaps what should have come is so large, and the way so slow, that it takes longer than silence is borne,
      // and nobody tells of its parts: each link would be given up at the same place. So the next one gets more time.
      this.#patience = Math.min(this.#patience * 2, MAX_PATIENCE);
      this.#patientUntil = now + this.#silenceMs * MAX_PATIENCE * 2;
    }
    this.linkFailed(link, fail("link_silent", { ms: Math.round(now - link.heardAt) }));
  }

  /**
   * Is the link still there? Asked by who has reason to doubt it: a page that is shown again, a machine that woke up. If nothing at all comes
   * within `ms`, the link is given up.
   */
  check(ms: number): void {
    const link = this.current;
    if (link === undefined || this.#checking) return;
    this.#checking = true;
    this.ping(0);
    link.answered = false;
    this.clock.after(ms, () => {
      this.#checking = false;
      if (this.over !== undefined || link.over || link.answered) return;
      this.linkFailed(link, fail("link_silent", { ms }));
    });
  }

  // ---- the end

  /** Ends the session: all calls are lost, all links closed. `tell` says so to the other side. */
  end(error: ConnectError, tell: boolean): void {
    if (this.over !== undefined) return;
    if (tell) {
      // What was said before goes first, but for calls that nobody has seen: they fail now, and so must not be run.
      if (this.side === "client")
        for (const call of this.#calls.values()) if (call.opened >= this.#transmitted) this.withdraw(call);
      this.flush();
    }
    this.over = error;
    this.#heartbeat?.[Symbol.dispose]();
    this.#ackTimer?.[Symbol.dispose]();
    this.#throttle?.[Symbol.dispose]();
    this.#pace?.flushed();
    const goaway: GoawayFrame | undefined = tell
      ? { kind: "goaway", status: statusOf(error), retryAfterMs: 0, endpoints: [], final: true }
      : undefined;
    for (const link of [...this.#links]) this.release(link, goaway);
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    this.#blocked?.clear();
    for (const call of calls) {
      call.over = true;
      try {
        call.receiver.lost(error);
      } catch {
        // A receiver that throws breaks its contract; the others are told all the same.
      }
    }
    this.replay.clear();
    this.#owner.ended(error);
  }
}
