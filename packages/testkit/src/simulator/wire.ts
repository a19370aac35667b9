// One direction of a simulated link: delay, jitter, bandwidth, a window of bytes on their way, stalls, and the loss of all of it in mid-batch.
import type { Network } from "./network.ts";
import type { World } from "./world.ts";

/** What comes out at the far end: a batch, or how the link ended. */
export type Arrival = Uint8Array | "end" | "broken";

export interface WireOptions {
  readonly delayMs: number;
  readonly jitterMs: number;
  readonly bytesPerMs: number;
  /** Bytes that may be on their way or unread; above, the sender's own buffer grows. */
  readonly windowBytes: number;
}

export class Wire {
  readonly #world: World;
  readonly #network: Network;
  readonly #options: WireOptions;
  readonly #arrive: (arrival: Arrival) => void;
  readonly #sent: () => void;
  /** Taken from the sender, and not yet on the way. */
  #queue: Arrival[] = [];
  /** Bytes of the queue. */
  buffered = 0;
  /** Bytes on their way or unread. */
  #out = 0;
  /** On their way, oldest first. */
  #flying: Arrival[] = [];
  /** Arrived, and held back by a stall. */
  #held: Arrival[] = [];
  #freeAt = 0;
  #lastAt = 0;
  #stalls = 0;
  /** Nothing comes through any more. */
  #severed = false;
  /** Undefined: goes by itself. Else so many batches may leave, one per request of the far end. */
  #permits: number | undefined;

  constructor(
    world: World,
    network: Network,
    options: WireOptions,
    to: { arrive: (arrival: Arrival) => void; sent: () => void; asked: boolean },
  ) {
    this.#world = world;
    this.#network = network;
    this.#options = options;
    this.#arrive = to.arrive;
    this.#sent = to.sent;
    this.#permits = to.asked ? 0 : undefined;
  }

  get severed(): boolean {
    return this.#severed;
  }
  /** Bytes that the simulated network holds for this direction. */
  get bytes(): number {
    return this.buffered + this.#out;
  }

  put(arrival: Arrival): void {
    if (this.#severed) return;
    this.#queue.push(arrival);
    this.buffered += sizeOf(arrival);
    this.#pump();
  }

  /** The far end has asked: one batch, or all that wait in one answer. */
  permit(): void {
    if (this.#permits === undefined) return;
    this.#permits = 1;
    this.#pump();
  }
  get waitsForPermit(): boolean {
    return this.#permits === 0 && this.#queue.length > 0;
  }

  /** The far end has read so many bytes. */
  consumed(bytes: number): void {
    this.#out -= bytes;
    this.#pump();
  }

  /** A black hole, until `flow` has been called as often. */
  stall(): void {
    this.#stalls++;
  }
  flow(): void {
    this.#stalls = Math.max(0, this.#stalls - 1);
    if (this.#stalls > 0) return;
    const held = this.#held;
    this.#held = [];
    for (const arrival of held) this.#land(arrival);
    this.#pump();
  }

  /** Nothing comes through any more; nobody is told. */
  sever(): void {
    this.#severed = true;
    this.#queue = [];
    this.#flying = [];
    this.#held = [];
    this.buffered = 0;
    this.#out = 0;
  }

  /**
   * Breaks it: some of what is on its way still arrives, the next batch is cut off at any byte, the rest is lost. `torn` also hands over the piece
   * that came, as a link would that does not look; a link that does drops it.
   */
  cut(torn: boolean): void {
    if (this.#severed) return;
    const { chance } = this.#world;
    const flying = [...this.#held, ...this.#flying];
    const whole = chance.int(0, flying.length);
    const landed = flying.slice(0, whole);
    const piece = flying[whole];
    this.sever();
    for (const arrival of landed) if (typeof arrival !== "string") this.#arrive(arrival);
    if (torn && piece !== undefined && typeof piece !== "string" && piece.length > 1)
      this.#arrive(piece.slice(0, chance.int(1, piece.length - 1)));
    this.#arrive("broken");
  }

  #pump(): void {
    const { delayMs, jitterMs, bytesPerMs, windowBytes } = this.#options;
    while (this.#queue.length > 0 && (this.#out < windowBytes || typeof this.#queue[0] === "string")) {
      if (this.#stalls > 0 && this.#out > 0) return; // no acknowledgement comes back: the window stays where it is
      if (this.#permits === 0) {
        if (this.#queue[0] !== "end") return;
      } else if (this.#permits !== undefined && this.#queue.length === 1) this.#permits = 0;
      const arrival = this.#queue.shift()!;
      const bytes = sizeOf(arrival);
      this.#freeAt = Math.max(this.#freeAt, this.#world.now) + bytes / bytesPerMs;
      this.#lastAt = Math.max(this.#lastAt, this.#freeAt + delayMs + jitterMs * this.#world.chance.next() ** 2);
      this.#out += bytes;
      this.#flying.push(arrival);
      this.#world.at(
        this.#freeAt,
        () => {
          if (this.#severed) return;
          this.buffered -= bytes;
          this.#sent();
        },
        true,
      );
      this.#world.at(
        this.#lastAt,
        () => {
          if (this.#severed) return;
          this.#flying.shift();
          if (this.#stalls > 0 || this.#network.partitioned) {
            this.#held.push(arrival);
            this.#network.waits(this);
          } else this.#land(arrival);
        },
        true,
      );
    }
  }

  /** The partition is over. */
  release(): void {
    if (this.#stalls > 0) return;
    const held = this.#held;
    this.#held = [];
    for (const arrival of held) this.#land(arrival);
  }

  #land(arrival: Arrival): void {
    if (this.#severed) return;
    if (arrival === "end") this.#severed = true;
    this.#arrive(arrival);
  }
}

export function sizeOf(arrival: Arrival): number {
  return typeof arrival === "string" ? 0 : arrival.length;
}
