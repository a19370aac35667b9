// The simulated network between one client and the server over one transport: how links open, what they are like, and what befalls them.
import { fail, type LinkOpened } from "@raceway/core";
import type { Chance } from "./chance.ts";
import { type LinkKind, type SimEnd, SimLink } from "./link.ts";
import type { FramePlant } from "./plants.ts";
import type { SimProcess } from "./process.ts";
import type { Wire, WireOptions } from "./wire.ts";
import type { World } from "./world.ts";

/** What an attempt to open a link meets. */
export type Opening = "well" | "slow" | "refused" | "swallowed" | "stillborn" | "deaf";

/** The server, as the network sees it. */
export interface Listening {
  readonly process: SimProcess;
  readonly opened: LinkOpened;
}

/** Who watches all links. */
export interface Watch {
  opened(link: SimLink): void;
  ended(end: SimEnd): void;
  sent(end: SimEnd, batch: Uint8Array): void;
  got(end: SimEnd, batch: Uint8Array): void;
}

export interface NetworkOptions {
  readonly kind: LinkKind;
  readonly wire: WireOptions;
  readonly watch: Watch;
  readonly plant: FramePlant | undefined;
  readonly listening: () => Listening | undefined;
}

export class Network {
  readonly world: World;
  readonly kind: LinkKind;
  readonly plant: FramePlant | undefined;
  readonly client: SimProcess;
  readonly links: Set<SimLink> = new Set();
  partitioned = false;
  /** What the next attempts meet. */
  opening: Opening = "well";
  readonly #options: NetworkOptions;
  readonly #chance: Chance;
  readonly #waiting = new Set<Wire>();
  #count = 0;

  constructor(world: World, client: SimProcess, options: NetworkOptions) {
    this.world = world;
    this.client = client;
    this.kind = options.kind;
    this.plant = options.plant;
    this.#options = options;
    this.#chance = world.chance.fork();
  }

  get rttMs(): number {
    return 2 * this.#options.wire.delayMs;
  }
  wireOptions(): WireOptions {
    return this.#options.wire;
  }

  /** As ClientTransport.open. */
  async open(opened: LinkOpened, signal: AbortSignal): Promise<void> {
    const { transport } = this.kind;
    const { world } = this;
    const name = `${this.client.name}.${transport}${++this.#count}`;
    const { opening } = this;
    world.trace.note(`opens, ${opening}`, name);
    const pause = (ms: number): Promise<void> =>
      new Promise((resolve) => world.at(world.now + ms, () => this.client.post(resolve), true));
    const refuse = (detail: string): Error => fail("transport_failed", { transport, detail });
    if (opening === "refused") {
      await pause(this.rttMs);
      throw refuse("the connection was refused");
    }
    if (opening === "swallowed") {
      if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener("abort", () => resolve()));
      throw refuse("the attempt was called off");
    }
    await pause(this.rttMs + (opening === "slow" ? this.#chance.spread(50, 15_000) : 0));
    while (this.partitioned && !signal.aborted) await pause(100);
    if (signal.aborted) throw refuse("the attempt was called off");
    const server = this.#options.listening();
    if (server === undefined || server.process.dead) throw refuse("nobody listens");
    const link = new SimLink(this, this.kind, this.client, server.process, name);
    this.links.add(link);
    this.#options.watch.opened(link);
    server.process.post(() => {
      if (!link.server.over) link.server.open(server.opened);
    });
    if (opening === "deaf") {
      // The server has it, and the client never hears.
      link.halfClose("server", false);
      await pause(this.rttMs);
      throw refuse("the answer was lost");
    }
    if (signal.aborted || link.client.over) {
      link.halfClose("server", true);
      throw refuse("the attempt was called off");
    }
    if (opening === "stillborn") world.at(world.now + this.#chance.next() * 3 * this.rttMs, () => link.cut(), true);
    link.client.open(opened);
  }

  partition(): void {
    this.partitioned = true;
  }
  heal(): void {
    this.partitioned = false;
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const wire of waiting) wire.release();
  }

  /** By a wire that holds something back. */
  waits(wire: Wire): void {
    this.#waiting.add(wire);
  }
  /** After one way through the network. */
  later(run: () => void): void {
    this.world.at(this.world.now + this.rttMs / 2, run, true);
  }
  sent(end: SimEnd, batch: Uint8Array): void {
    this.#options.watch.sent(end, batch);
  }
  got(end: SimEnd, batch: Uint8Array): void {
    this.#options.watch.got(end, batch);
  }
  ended(end: SimEnd): void {
    this.#options.watch.ended(end);
    for (const link of this.links) if (link.client.told && link.server.told) this.links.delete(link);
  }
}
