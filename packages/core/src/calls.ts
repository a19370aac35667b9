// One call in flight, on either side: credit in both directions, half-close, cancel.
import type { ConnectError } from "@connectrpc/connect";
import type { BatchWindow } from "./batch-window.ts";
import { fail } from "./errors.ts";
import type { EndFrame, HeaderField, PublicationFrame, TopicFrame, WireStatus } from "./frame.ts";
import type { Session } from "./session.ts";
import { checkHeader } from "./wire-values.ts";

/** What a call tells whoever made or serves it. Called by the session, synchronously, in the order of the frames; must not throw. */
export interface CallReceiver {
  /** One message. The bytes stay valid. Call `call.consumed` when it was dealt with. */
  data(payload: Uint8Array, header: readonly HeaderField[] | undefined): void;
  /** The other side has said all. On a client the call is over. */
  end(frame: EndFrame): void;
  /** Server: the client has no more interest. The call is over. */
  cancelled(): void;
  /** After a `send` that left the call not writable: there is room again. */
  writable(): void;
  /** The session is gone, or refused the call. The call is over. */
  lost(error: ConnectError): void;
  /** A position: on a client where the subscription stands, on a server where the client stands. */
  topic?(frame: TopicFrame): void;
  /**
   * The session goes on over another link: what was not counted may be lost with the one before. `own`: by this side's decision, of which the
   * other may not know.
   */
  relinked?(own: boolean): void;
  /** Client: one event of the subscription. */
  publication?(frame: PublicationFrame): void;
}

/** Credit above which a grant is taken for an attack; far more than any window. */
const MAX_CREDIT = 0x7fff_ffff;

export class Call {
  readonly id: number;
  readonly session: Session;
  receiver: CallReceiver;
  /** Client: number of the Open frame, to know whether it ever left. */
  readonly opened: number;
  /** This side has said all. */
  localEnded = false;
  /** The other side has said all. */
  remoteEnded = false;
  /** Neither side will say more; the session has forgotten the call. */
  over = false;
  /** Waits for `writable`. */
  waiting = false;
  /** How long messages may wait for company; undefined: not at all. */
  window: BatchWindow | undefined;
  /** Server: counts as a subscription, not as a call in flight. */
  subscription = false;
  /** What may still be sent. */
  #creditMessages: number;
  #creditBytes: number;
  /** What the other side may still send. */
  #windowMessages: number;
  #windowBytes: number;
  /** Consumed, and not yet given back as credit. */
  #consumedMessages = 0;
  #consumedBytes = 0;

  constructor(session: Session, id: number, receiver: CallReceiver, opened: number) {
    this.session = session;
    this.id = id;
    this.receiver = receiver;
    this.opened = opened;
    this.#creditMessages = session.peerWindow.messages;
    this.#creditBytes = session.peerWindow.bytes;
    this.#windowMessages = session.limits.windowMessages;
    this.#windowBytes = session.limits.windowBytes;
  }

  /** May a message be sent now without exceeding anybody's bounds? If not, `receiver.writable` is called later. */
  get writable(): boolean {
    if (this.over) return false;
    if (this.#creditMessages > 0 && this.#creditBytes > 0 && this.session.roomy) return true;
    this.session.block(this);
    return false;
  }

  /** Sends one message, even above the credit: look at `writable` after. Throws `message_too_large`, `headers_too_large`. Nothing is sent on a call that is over. */
  send(payload: Uint8Array, header?: readonly HeaderField[]): void {
    if (this.over || this.localEnded) return;
    if (header !== undefined) checkHeader(header, this.session.limits);
    this.session.checkMessage(payload);
    this.#creditMessages--;
    this.#creditBytes -= payload.length;
    this.session.writer.data(this.id, payload, header);
    if (this.window === undefined) this.session.wrote();
    else this.session.wroteWithin(this.window, payload.length);
  }

  /** Client: no more messages follow. */
  halfClose(): void {
    if (this.over || this.localEnded) return;
    this.localEnded = true;
    this.session.writer.end(this.id, undefined, undefined, undefined, undefined);
    this.session.wrote();
  }

  /** Server: the call is over, with a last message or with an error. */
  finish(
    status: WireStatus | undefined,
    header?: readonly HeaderField[],
    trailer?: readonly HeaderField[],
    payload?: Uint8Array,
  ): void {
    if (this.over) return;
    if (header !== undefined) checkHeader(header, this.session.limits);
    if (trailer !== undefined) checkHeader(trailer, this.session.limits);
    if (payload !== undefined) this.session.checkMessage(payload);
    this.session.forget(this);
    this.session.writer.end(this.id, status, header, trailer, payload);
    this.session.wrote();
  }

  /** Client: no more interest. The receiver hears nothing more; what the server does not have yet, it never begins. */
  cancel(): void {
    if (this.over) return;
    this.session.forget(this);
    this.session.withdraw(this);
    this.session.writer.cancel(this.id);
    this.session.wrote();
  }

  /** A message was dealt with: gives credit back, in lots of half a window. */
  consumed(bytes: number): void {
    this.#consumedMessages++;
    this.#consumedBytes += bytes;
    const { windowMessages, windowBytes } = this.session.limits;
    if (this.#consumedMessages * 2 < windowMessages && this.#consumedBytes * 2 < windowBytes) return;
    if (this.over || this.remoteEnded) return;
    this.#windowMessages += this.#consumedMessages;
    this.#windowBytes += this.#consumedBytes;
    this.session.writer.credit(this.id, this.#consumedMessages, this.#consumedBytes);
    this.#consumedMessages = 0;
    this.#consumedBytes = 0;
    this.session.wrote();
  }

  /** By the session: a message came. False: the other side ignores its credit. */
  received(bytes: number): boolean {
    if (this.#windowMessages <= 0 || this.#windowBytes <= 0) return false;
    this.#windowMessages--;
    this.#windowBytes -= bytes; // the last one may exceed
    return true;
  }

  /** By the session: credit came. Throws `credit_overflow`. */
  credited(messages: number, bytes: number): void {
    this.#creditMessages += messages;
    this.#creditBytes += bytes;
    if (this.#creditMessages > MAX_CREDIT || this.#creditBytes > MAX_CREDIT)
      throw fail("credit_overflow", { call: this.id });
    if (this.waiting) this.wake();
  }

  /** By the session: room may be there again. */
  wake(): void {
    if (this.#creditMessages <= 0 || this.#creditBytes <= 0 || !this.session.roomy) return;
    this.session.unblock(this);
    this.receiver.writable();
  }
}
