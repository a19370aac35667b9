// The client's end of a link, over a WebSocket that is open.
import type { ConnectError } from "@connectrpc/connect";
import {
  type Clock,
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type Peer,
  type Timer,
} from "@raceway/core";
import type { SocketClose, SocketLike, SocketMessage } from "./client-socket.ts";
import {
  CLOSE_CLIENT_ERROR,
  CLOSE_MS,
  CLOSE_NORMAL,
  closeReason,
  closedError,
  HIGH_WATER_BYTES,
  TRANSPORT,
} from "./protocol.ts";

/** A page's WebSocket cannot be told to stop reading. What comes while the link is paused is kept up to this size; then the link ends, and the session resumes later. */
const HELD_BYTES = 16_777_216;
/** First and longest wait between two looks at `bufferedAmount`, in milliseconds: there is no event for it. */
const LOOK_MS = 2;
const LONGEST_LOOK_MS = 16;
const BRACE = 0x7b;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export class ClientLink implements Link {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly #socket: SocketLike;
  readonly #clock: Clock;
  #receiver!: LinkReceiver; // from `open` on
  /** From `close`, or the socket's end, on: no batch goes in or out any more. */
  #over = false;
  /** `closed` was called. */
  #told = false;
  /** `send` returned false, so a `drain` is owed, and somebody looks at `bufferedAmount`. */
  #full = false;
  #paused = false;
  /** What came while paused, oldest first. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #timer: Timer | undefined;

  constructor(socket: SocketLike, traits: LinkTraits, peer: Peer, clock: Clock) {
    this.#socket = socket;
    this.traits = traits;
    this.peer = peer;
    this.#clock = clock;
    socket.onmessage = (event: SocketMessage) => this.#message(event.data);
    socket.onclose = (event: SocketClose) => this.#lost(event.code, event.reason);
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this);
  }

  get buffered(): number {
    return this.#over ? 0 : this.#socket.bufferedAmount; // which stays what it was for ever when the socket has died
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes === 0) return !this.#full;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    this.#socket.send(message(joined(parts, bytes)));
    if (this.#socket.bufferedAmount <= HIGH_WATER_BYTES) return true;
    if (!this.#full) {
      this.#full = true;
      // Usually the network has taken it all by the end of the loop turn. Else the waits grow: who waits for long needs no haste.
      this.#clock.loopEnd(() => this.#look(LOOK_MS));
    }
    return false;
  }

  pause(): void {
    if (this.#over) return;
    this.#paused = true;
    this.#socket.pause?.();
  }

  resume(): void {
    if (this.#over || !this.#paused) return;
    this.#paused = false;
    this.#socket.resume?.();
    if (this.#held.length > 0) this.#clock.turnEnd(() => this.#release());
  }

  close(error?: ConnectError): void {
    if (this.#over) return;
    this.#over = true;
    this.#forget();
    this.#socket.onmessage = null;
    this.#socket.resume?.(); // the other end's close frame may be behind what was not read
    if (error === undefined) {
      this.#socket.close(CLOSE_NORMAL);
      // Nobody need wait for an end that does not answer; browsers wait for up to a minute.
      this.#timer = this.#clock.after(CLOSE_MS, () => this.#tell(undefined));
    } else {
      this.#socket.close(CLOSE_CLIENT_ERROR, closeReason(error));
      this.#clock.turnEnd(() => this.#tell(error));
    }
  }

  #message(data: unknown): void {
    if (this.#over) return;
    const bytes = bytesOf(data);
    if (bytes.length === 0) return;
    if (bytes.length > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes: bytes.length, limit: this.traits.maxBatchBytes }));
      return;
    }
    if (!this.#paused && this.#held.length === 0) {
      this.#receiver.batch(bytes);
      return;
    }
    this.#held.push(bytes);
    this.#heldBytes += bytes.length;
    if (this.#heldBytes > HELD_BYTES) {
      this.close(
        fail("link_closed", { transport: TRANSPORT, detail: `more than ${HELD_BYTES} bytes came while it was paused` }),
      );
    }
  }

  /** Hands over what was held, until the receiver pauses again. */
  #release(): void {
    const held = this.#held;
    let next = 0;
    while (next < held.length && !this.#paused && !this.#over) {
      const bytes = held[next++]!;
      this.#heldBytes -= bytes.length;
      this.#receiver.batch(bytes);
    }
    if (!this.#over) held.splice(0, next);
  }

  #look(waitMs: number): void {
    if (this.#over) return;
    if (this.#socket.bufferedAmount > HIGH_WATER_BYTES / 2) {
      this.#clock.after(waitMs, () => this.#look(Math.min(waitMs * 2, LONGEST_LOOK_MS)));
      return;
    }
    this.#full = false;
    this.#receiver.drain();
  }

  #lost(code: number, reason: string): void {
    const asked = this.#over;
    this.#over = true;
    this.#forget();
    this.#tell(asked ? undefined : closedError(code, reason));
  }

  #tell(error: ConnectError | undefined): void {
    if (this.#told) return;
    this.#told = true;
    this.#timer?.[Symbol.dispose]();
    this.#socket.onclose = null;
    this.#receiver.closed(error);
  }

  #forget(): void {
    this.#held = [];
    this.#heldBytes = 0;
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  if (parts.length === 1) return parts[0]!; // the socket copies it before `send` returns
  const batch = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    batch.set(part, at);
    at += part.length;
  }
  return batch;
}

/** Text goes as text, so that people and their tools can read it. */
function message(batch: Uint8Array): string | Uint8Array<ArrayBuffer> {
  if (batch[0] === BRACE) {
    try {
      return decoder.decode(batch);
    } catch {
      // Not text, although it begins like it.
    }
  }
  return batch as Uint8Array<ArrayBuffer>; // the DOM's types refuse views of shared memory, which no session sends
}

function bytesOf(data: unknown): Uint8Array {
  if (data instanceof ArrayBuffer) return new Uint8Array(data);
  if (typeof data === "string") return encoder.encode(data);
  // Never with binaryType "arraybuffer"; a socket that was injected might not obey.
  return ArrayBuffer.isView(data) ? new Uint8Array(data.buffer, data.byteOffset, data.byteLength) : new Uint8Array(0);
}
