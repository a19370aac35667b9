// One direction of one connection through the fault proxy: bytes out of a socket and into another, late, slow, in pieces or not at all.
import type { Socket } from "node:net";
import type { Clock, Random, Timer } from "@raceway/core";
import type { FaultShape } from "./fault-shape.ts";

/** Read and not yet written: above it the flow reads no more, so that its sender feels it. */
const HELD_BYTES = 65_536;

/** Counts down the bytes that may still pass. */
export class Fuse {
  left: number = Infinity;
  readonly #blow: () => void;

  constructor(blow: () => void) {
    this.#blow = blow;
  }
  /** By a flow: so many bytes are about to be written. True: they were the last. */
  burn(bytes: number): boolean {
    this.left -= bytes;
    return this.left <= 0;
  }
  blow(): void {
    this.left = Infinity;
    this.#blow();
  }
}

export interface FaultFlowInit {
  readonly from: Socket;
  readonly to: Socket;
  readonly clock: Clock;
  readonly random: Random;
  readonly fuses: readonly Fuse[];
  /** So many bytes were written. */
  readonly passed: (bytes: number) => void;
}

export class FaultFlow {
  readonly #init: FaultFlowInit;
  #shape: FaultShape = {};
  #stalled = false;
  /** What was read, and the earliest time for it. */
  readonly #held: { bytes: Buffer; readonly due: number }[] = [];
  #heldBytes = 0;
  #lastDue = 0;
  /** `end` was read. */
  #ended = false;
  /** The end was passed on, or made. */
  #closed = false;
  /** `to` is full. */
  #full = false;
  /** Pieces: the last one has not left yet. */
  #splitting = false;
  /** Throttle: bytes that may pass at once, and when that was so. */
  #tokens = 0;
  #tokensAt = 0;
  #timer: Timer | undefined;

  constructor(init: FaultFlowInit) {
    this.#init = init;
    const { from, to } = init;
    from.setNoDelay(true);
    from.on("data", (chunk: Buffer) => this.#read(chunk));
    from.on("end", () => {
      this.#ended = true;
      this.#pump();
    });
    to.on("drain", () => {
      this.#full = false;
      this.#pump();
    });
    from.on("close", () => this.#timer?.[Symbol.dispose]());
  }

  set stalled(stalled: boolean) {
    this.#stalled = stalled;
    this.#pump();
  }

  set shape(shape: FaultShape) {
    this.#shape = shape;
    this.#tokens = 0;
    this.#tokensAt = this.#init.clock.now();
    this.#pump();
  }

  /** The receiver sees an end; what still comes is thrown away. */
  halfClose(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#held.length = 0;
    this.#heldBytes = 0;
    this.#timer?.[Symbol.dispose]();
    this.#init.to.end();
    this.#init.from.resume();
  }

  #read(chunk: Buffer): void {
    if (this.#closed) return;
    const { delayMs = 0, jitterMs = 0 } = this.#shape;
    const { clock, random } = this.#init;
    let due = 0;
    if (delayMs > 0 || jitterMs > 0) {
      due = Math.max(this.#lastDue, clock.now() + delayMs + jitterMs * random.next());
      this.#lastDue = due;
    }
    this.#held.push({ bytes: chunk, due });
    this.#heldBytes += chunk.length;
    this.#pump();
  }

  readonly #pump = (): void => {
    const { from, to } = this.#init;
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    while (this.#mayWrite()) this.#write();
    if (this.#closed) return;
    if (this.#ended && this.#held.length === 0 && !this.#stalled) {
      this.#closed = true;
      to.end();
    } else if (this.#stalled || this.#full || this.#heldBytes > HELD_BYTES) from.pause();
    else from.resume();
  };

  #mayWrite(): boolean {
    const { clock, to } = this.#init;
    const first = this.#held[0];
    if (first === undefined || this.#stalled || this.#full || this.#splitting || this.#closed || to.destroyed)
      return false;
    let waitMs = first.due === 0 ? 0 : first.due - clock.now();
    const { bytesPerSecond } = this.#shape;
    if (bytesPerSecond !== undefined && waitMs <= 0) {
      const now = clock.now();
      // A tenth of a second's worth at once, or one byte: less would be timers only.
      const most = Math.max(1, bytesPerSecond / 10);
      this.#tokens = Math.min(most, this.#tokens + ((now - this.#tokensAt) * bytesPerSecond) / 1_000);
      this.#tokensAt = now;
      const wanted = Math.min(first.bytes.length, most);
      if (this.#tokens < 1) waitMs = ((wanted - this.#tokens) * 1_000) / bytesPerSecond;
    }
    if (waitMs <= 0) return true;
    this.#timer = clock.after(waitMs, this.#pump);
    return false;
  }

  #write(): void {
    const { fuses, passed, random, to } = this.#init;
    const { bytesPerSecond, splitBytes } = this.#shape;
    const first = this.#held[0]!;
    let most = first.bytes.length;
    if (bytesPerSecond !== undefined) most = Math.min(most, Math.floor(this.#tokens));
    if (splitBytes !== undefined) most = Math.min(most, 1 + Math.floor(random.next() * splitBytes));
    for (const { left } of fuses) most = Math.min(most, left);
    const piece = first.bytes.subarray(0, most);
    if (most === first.bytes.length) this.#held.shift();
    else first.bytes = first.bytes.subarray(most);
    this.#heldBytes -= most;
    this.#tokens -= most;
    passed(most);
    const blown = fuses.filter((fuse) => fuse.burn(most));
    if (blown.length > 0) {
      // The last bytes have to leave before the connection does, so that the other side really gets a part.
      this.#stalled = true;
      to.write(piece, () => {
        for (const fuse of blown) fuse.blow();
      });
      return;
    }
    if (splitBytes !== undefined) {
      this.#splitting = true;
      to.write(piece, () =>
        setImmediate(() => {
          this.#splitting = false;
          this.#pump();
        }),
      );
      return;
    }
    if (!to.write(piece)) this.#full = true;
  }
}
