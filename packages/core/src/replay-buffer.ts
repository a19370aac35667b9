// Counted frames kept until the other side acknowledges them; bounded in bytes.
import { bytesOf, skipCounted } from "./batch.ts";

/** What one flush wrote: consecutive counted frames, encoded. */
interface Stretch {
  /** Number of its first frame. */
  readonly first: number;
  readonly count: number;
  readonly bytes: number;
  readonly parts: readonly Uint8Array[];
}

/**
 * The frames from `acked` (exclusive of what was dropped) to `end`. One entry per flush, not per frame: a batch is cut into frames only when
 * a resume lands in its middle.
 */
export class ReplayBuffer {
  #stretches: Stretch[] = [];
  #head = 0;
  #bytes = 0;
  #end = 0;
  #acked = 0;
  #kept = 0;

  /** Bytes held. */
  get bytes(): number {
    return this.#bytes;
  }
  /** Number of the next frame to be written: so many were written in all. */
  get end(): number {
    return this.#end;
  }
  /** So many frames the other side has confirmed. */
  get acked(): number {
    return this.#acked;
  }
  /** The oldest frame that can still be sent again. */
  get kept(): number {
    return this.#kept;
  }

  push(parts: readonly Uint8Array[], count: number, bytes: number): void {
    this.#stretches.push({ first: this.#end, count, bytes, parts });
    this.#end += count;
    this.#bytes += bytes;
  }

  /** Forgets what the other side has. False: the count is impossible (it shrinks, or exceeds what was written). */
  ack(received: number): boolean {
    if (received < this.#acked || received > this.#end) return false;
    this.#acked = received;
    if (received > this.#kept) this.#kept = received;
    while (this.#head < this.#stretches.length) {
      const stretch = this.#stretches[this.#head]!;
      if (stretch.first + stretch.count > received) break;
      this.#drop(stretch);
    }
    this.#compact();
    return true;
  }

  /** Gives up the oldest frames until at most `limit` bytes are left: the session cannot be resumed from before `kept` any more. */
  trim(limit: number): void {
    while (this.#bytes > limit && this.#head < this.#stretches.length) {
      const stretch = this.#stretches[this.#head]!;
      this.#drop(stretch);
      this.#kept = Math.max(this.#kept, stretch.first + stretch.count);
    }
    this.#compact();
  }

  /** Calls `each` with the encoded frames from `number` on, flush by flush, until it returns false. `number` must be at least `kept`. */
  from(number: number, each: (parts: readonly Uint8Array[], next: number, bytes: number) => boolean): void {
    if (number >= this.#end) return;
    const stretches = this.#stretches;
    // What is not yet sent is at the end: search backwards.
    let at = stretches.length - 1;
    while (at > this.#head && stretches[at]!.first > number) at--;
    for (; at < stretches.length; at++) {
      const stretch = stretches[at]!;
      const parts = number > stretch.first ? skipCounted(stretch.parts, number - stretch.first) : stretch.parts;
      if (!each(parts, stretch.first + stretch.count, stretch.bytes)) return;
    }
  }

  /** Puts other bytes in the place of a frame that is kept. */
  replace(number: number, frame: Uint8Array): void {
    let at = this.#stretches.length - 1;
    while (at >= this.#head && this.#stretches[at]!.first > number) at--;
    const stretch = at >= this.#head ? this.#stretches[at] : undefined;
    if (stretch === undefined || number >= stretch.first + stretch.count) return;
    const from = skipCounted(stretch.parts, number - stretch.first);
    const rest = skipCounted(stretch.parts, number - stretch.first + 1);
    const parts = [...firstBytes(stretch.parts, stretch.bytes - bytesOf(from)), frame, ...rest];
    const bytes = bytesOf(parts);
    this.#stretches[at] = { ...stretch, parts, bytes };
    this.#bytes += bytes - stretch.bytes;
  }

  clear(): void {
    this.#stretches = [];
    this.#head = 0;
    this.#bytes = 0;
  }

  #drop(stretch: Stretch): void {
    this.#bytes -= stretch.bytes;
    this.#stretches[this.#head++] = undefined as unknown as Stretch; // the slot is never read again; frees the parts now
  }

  #compact(): void {
    if (this.#head === this.#stretches.length) {
      if (this.#head > 0) {
        this.#stretches.length = 0;
        this.#head = 0;
      }
    } else if (this.#head > 64 && this.#head * 2 > this.#stretches.length) {
      this.#stretches.splice(0, this.#head);
      this.#head = 0;
    }
  }
}

/** The beginning of what the parts are. */
function firstBytes(parts: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const first: Uint8Array[] = [];
  for (const part of parts) {
    if (bytes <= 0) break;
    first.push(part.length <= bytes ? part : part.subarray(0, bytes));
    bytes -= part.length;
  }
  return first;
}
