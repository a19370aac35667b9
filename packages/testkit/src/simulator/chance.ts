// Repeatable randomness: the same seed gives the same world.
import type { Random } from "@raceway/core";

/** A small generator (mulberry32), good for choosing and for nothing secret. */
export class Chance implements Random {
  #state: number;

  constructor(seed: number) {
    // Seeds that follow each other give worlds that have nothing to do with each other.
    this.#state = Math.imul(seed ^ 0x9e37_79b9, 0x85eb_ca6b) ^ (seed >>> 13);
  }

  next(): number {
    this.#state = (this.#state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  }

  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    for (let at = 0; at < length; at++) bytes[at] = this.next() * 256;
    return bytes;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }
  maybe(probability: number): boolean {
    return this.next() < probability;
  }
  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.next() * from.length)]!;
  }
  /** Between two bounds, small ones as likely as large ones: what delays and sizes are like. */
  spread(from: number, to: number): number {
    return from * (to / from) ** this.next();
  }
  /** Waits between things that happen on their own, with this mean. */
  wait(mean: number): number {
    return -Math.log(1 - this.next()) * mean;
  }
  /** A generator of its own: what it is used for does not move what comes after here. */
  fork(): Chance {
    return new Chance(Math.floor(this.next() * 0x1_0000_0000));
  }
}
