// The server's end of a link: reads masked frames from a socket, writes whole frames into it. One object and its reader per connection.
import type { Socket } from "node:net";
import { ConnectError } from "@connectrpc/connect";
import {
  type Clock,
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type Logger,
  type Peer,
  type Timer,
} from "@raceway/core";
import {
  CLOSE_ABNORMAL,
  CLOSE_GOING_AWAY,
  CLOSE_MS,
  CLOSE_NORMAL,
  CLOSE_TOO_LARGE,
  TRANSPORT,
  closeCode,
  closeReason,
  closedError,
} from "./protocol.ts";
import { closeFrame, type Framer, pongFrame, writeGathered } from "./server-frames.ts";
import { FrameReader, type ReaderSink } from "./server-reader.ts";

/** What all links of a server share; a link holds this and not its parts. */
export interface Shared {
  readonly clock: Clock;
  readonly log: Logger;
  readonly traits: LinkTraits;
  /** Largest batch to take. */
  readonly maxBatchBytes: number;
  readonly framer: Framer;
  /** All whose socket is not gone. */
  readonly links: Set<ServerLink>;
  /** The server goes down: links that close say so. */
  leaving: boolean;
  /** Called when a socket is gone. */
  gone(): void;
}

/** Where a socket's listeners find its link: with this they are the same four functions for all sockets. */
const LINK = Symbol("raceway link");
interface LinkSocket extends Socket {
  [LINK]: ServerLink;
}

/** Batches go both ways. */
const OPEN = 0;
/** This end has sent its close frame and waits for the other's; nothing more is sent or handed over. */
const CLOSING = 1;
/** `closed` was called, or is owed at the end of the turn; only the socket is left. */
const OVER = 2;

export class ServerLink implements Link, ReaderSink {
  // First what sending needs, in one line of memory.
  readonly #socket: LinkSocket;
  readonly #shared: Shared;
  #state: typeof OPEN | typeof CLOSING | typeof OVER = OPEN;
  readonly peer: Peer;
  readonly #reader: FrameReader;
  #receiver!: LinkReceiver; // from `open` on
  /** `send` returned false, so a `drain` is owed. */
  #full = false;
  #listensForDrain = false;
  /** Bounds the closing handshake; an idle link has no timer. */
  #timer: Timer | undefined;
  #detail: string | undefined;

  constructor(socket: Socket, peer: Peer, shared: Shared) {
    this.#socket = socket as LinkSocket;
    this.peer = peer;
    this.#shared = shared;
    this.#reader = new FrameReader(this, shared.maxBatchBytes);
  }

  /** Answers the handshake, hands the link over, and begins to read; `head` is what came behind the request. */
  open(acceptance: string, head: Uint8Array, opened: LinkOpened): void {
    const socket = this.#socket;
    socket[LINK] = this;
    this.#shared.links.add(this);
    socket.on("error", onError);
    socket.on("close", onClose);
    socket.setTimeout(0);
    socket.setNoDelay(true);
    socket.write(acceptance);
    try {
      this.#receiver = opened(this);
    } catch (error) {
      this.#shared.log.error("a websocket link was not taken", { error });
      this.#receiver = deaf;
      this.close(ConnectError.from(error));
    }
    if (head.length > 0) socket.unshift(head);
    socket.on("end", onEnd);
    socket.on("data", onData); // flows from the next tick on
  }

  get transport(): string {
    return TRANSPORT;
  }
  get traits(): LinkTraits {
    return this.#shared.traits;
  }
  get buffered(): number {
    return this.#state === OVER || this.#socket.destroyed ? 0 : this.#socket.writableLength;
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#state !== OPEN) return false;
    const socket = this.#socket;
    const { framer, traits } = this.#shared;
    framer.take(parts);
    const { bytes, frame } = framer;
    if (bytes === 0) return !this.#full;
    if (bytes > traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: traits.maxBatchBytes }));
      return false;
    }
    const room = frame === undefined ? writeGathered(socket, parts, bytes) : socket.write(frame);
    if (!room) {
      this.#full = true;
      if (!this.#listensForDrain) {
        this.#listensForDrain = true;
        socket.on("drain", onDrain);
      }
    }
    return room;
  }

  pause(): void {
    if (this.#state === OPEN) this.#socket.pause();
  }

  resume(): void {
    if (this.#state === OPEN) this.#socket.resume();
  }

  close(error?: ConnectError): void {
    if (this.#state !== OPEN) return;
    if (error === undefined) {
      this.#state = CLOSING;
      this.#sayGoodbye(this.#shared.leaving ? CLOSE_GOING_AWAY : CLOSE_NORMAL, "");
    } else {
      this.#reader.stop();
      this.#end(error);
      this.#sayGoodbye(closeCode(error), closeReason(error));
      this.#socket.end();
    }
  }

  // What the reader found

  message(bytes: Uint8Array): void {
    if (this.#state !== OPEN) return;
    try {
      this.#receiver.batch(bytes);
    } catch (error) {
      // A mistake of ours, not the peer's. It ends this link and no other.
      this.#shared.log.error("a batch was not taken", { error });
      this.close(ConnectError.from(error));
    }
  }

  ping(payload: Uint8Array): void {
    // A client that pings and does not read gets no answer, and cannot fill our memory with answers.
    if (this.#state === OPEN && !this.#socket.writableNeedDrain) this.#socket.write(pongFrame(payload));
  }

  ended(code: number, reason: string): void {
    const asked = this.#state === CLOSING;
    this.#state = OVER;
    if (!asked) this.#sayGoodbye(code, "");
    this.#socket.end();
    this.#receiver.closed(asked ? undefined : closedError(code, reason));
  }

  broken(code: number, detail: string, bytes: number): void {
    const limit = this.#shared.maxBatchBytes;
    const asked = this.#state === CLOSING;
    const error =
      code === CLOSE_TOO_LARGE ? fail("batch_too_large", { bytes, limit }) : fail("frame_malformed", { detail });
    this.#state = OVER;
    if (!asked) this.#sayGoodbye(code, closeReason(error));
    this.#socket.end();
    this.#receiver.closed(asked ? undefined : error);
  }

  // What happened to the socket

  read(chunk: Uint8Array): void {
    if (this.#state === OVER) return; // a socket closed with unread data would reset, and lose our close frame
    this.#receiver.heard?.();
    this.#reader.read(chunk);
  }

  drained(): void {
    if (!this.#full || this.#state !== OPEN) return;
    this.#full = false;
    this.#receiver.drain();
  }

  failed(detail: string): void {
    this.#detail ??= detail;
  }

  /** The other end says nothing more, with or without a close frame. */
  halfClosed(): void {
    this.#socket.end();
    this.failed("the connection ended without a close frame");
    this.#lose();
  }

  gone(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#shared.links.delete(this);
    this.#lose();
    this.#shared.gone();
  }

  /** The socket is no more, or as good as that. In good order only if this end wanted it. */
  #lose(): void {
    if (this.#state === OVER) return;
    const asked = this.#state === CLOSING;
    this.#state = OVER;
    this.#reader.stop();
    this.#receiver.closed(
      asked
        ? undefined
        : this.#detail === undefined
          ? closedError(CLOSE_ABNORMAL, "")
          : fail("link_closed", { transport: TRANSPORT, detail: this.#detail }),
    );
  }

  /** Over, told at the end of the turn: the caller is inside a method of the link. */
  #end(error: ConnectError): void {
    this.#state = OVER;
    this.#shared.clock.turnEnd(() => this.#receiver.closed(error));
  }

  /** Sends the close frame, and gives the other end some time to answer it and to take what was sent before. */
  #sayGoodbye(code: number, reason: string): void {
    const socket = this.#socket;
    if (socket.destroyed) return;
    socket.write(closeFrame(code, reason));
    socket.resume(); // it may be paused, and the other's close frame is behind what was not read
    this.#timer ??= this.#shared.clock.after(CLOSE_MS, () => socket.destroy());
  }
}

/** Stands for a receiver that could not be made. */
const deaf: LinkReceiver = { batch() {}, drain() {}, closed() {} };

function onData(this: LinkSocket, chunk: Uint8Array): void {
  this[LINK].read(chunk);
}
function onDrain(this: LinkSocket): void {
  this[LINK].drained();
}
function onEnd(this: LinkSocket): void {
  this[LINK].halfClosed();
}
function onError(this: LinkSocket, error: NodeJS.ErrnoException): void {
  this[LINK].failed(error.code ?? "the socket failed");
}
function onClose(this: LinkSocket): void {
  this[LINK].gone();
}
