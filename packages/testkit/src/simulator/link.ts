// Both ends of a simulated link. Whatever the network does to it, it keeps the rules of a link: nothing missing, repeated or split, or it dies.
import type { ConnectError } from "@connectrpc/connect";
import {
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type Peer,
  readBatches,
  writeBatches,
} from "@raceway/core";
import type { Network } from "./network.ts";
import type { FramePlant } from "./plants.ts";
import type { SimProcess } from "./process.ts";
import { type Arrival, Wire } from "./wire.ts";

/** How a transport of the simulated network carries batches. */
export interface LinkKind {
  readonly transport: string;
  readonly traits: LinkTraits;
  /** Batches go in bodies with length prefixes, as over HTTP: a body that is cut off must end the link. Else as messages. */
  readonly framed: boolean;
  /** `send` returns false above so many bytes. */
  readonly highWater: number;
  /** What came of a batch when the link broke is handed over, as by a link that does not look. */
  readonly torn: boolean;
  /** Of transports that do not push: how long after an answer the next request goes out. */
  readonly pollMs: number;
}

const strictText = new TextDecoder("utf-8", { fatal: true });
const ADDRESS = "10.0.0.1";

export class SimEnd implements Link {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly process: SimProcess;
  readonly name: string;
  /** Set by `open`. A SessionLink, whose session the auditor looks at. */
  receiver: LinkReceiver | undefined;
  over = false;
  /** `closed` was called. */
  told = false;
  /** Bytes that wait here for the receiver. */
  waiting = 0;
  /** A torn batch may have been handed over. */
  torn = false;
  wire!: Wire;
  other!: SimEnd;
  readonly #network: Network;
  readonly #kind: LinkKind;
  readonly #inbox: Arrival[] = [];
  #paused = false;
  #full = false;
  #posted = false;

  constructor(network: Network, kind: LinkKind, process: SimProcess, name: string) {
    this.#network = network;
    this.#kind = kind;
    this.process = process;
    this.name = name;
    this.transport = kind.transport;
    this.traits = kind.traits;
    this.peer = { address: ADDRESS, secure: true, header: () => undefined };
  }

  get buffered(): number {
    return this.wire.buffered;
  }

  /** Hands the end over; in a turn of its process. */
  open(opened: LinkOpened): void {
    this.receiver = opened(this);
    if (this.#inbox.length > 0) this.#post();
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.over) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    if (bytes === 0) return !this.#full;
    let batch = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      batch.set(part, at);
      at += part.length;
    }
    if (!this.traits.binary && !isText(batch)) {
      this.close(fail("frame_malformed", { detail: "the batch is not UTF-8, and this link takes text only" }));
      return false;
    }
    const { world, plant } = this.#network;
    world.trace.note("sends", this.name, bytes);
    this.#network.sent(this, batch);
    if (plant !== undefined) {
      const changed = plant.change(batch, this);
      if (changed === undefined) return !this.#full;
      batch = changed;
    }
    this.wire.put(
      this.#kind.framed ? writeBatches([{ parts: [batch], bytes: batch.length }], !this.traits.binary) : batch,
    );
    if (this.wire.buffered > this.#kind.highWater) this.#full = true;
    return !this.#full;
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    if (this.#inbox.length > 0) this.#post();
  }

  close(error?: ConnectError): void {
    if (this.over) return;
    if (error === undefined) this.wire.put("end");
    else {
      this.wire.sever();
      this.other.wire.sever();
      this.#network.later(() => this.other.break("the other end closed it with an error"));
    }
    this.#die(error);
  }

  /** The network tells this end that the link is broken. */
  break(detail: string): void {
    if (!this.over) this.#die(fail("link_closed", { transport: this.transport, detail }));
  }

  /** By the wire: bytes were given to the network. */
  drained(): void {
    if (!this.#full || this.over || this.wire.buffered > this.#kind.highWater / 4) return;
    this.#full = false;
    this.process.post(() => {
      if (!this.over) this.receiver?.drain();
    });
  }

  /** By the wire that comes in. */
  arrive(arrival: Arrival): void {
    if (this.over) return;
    this.#inbox.push(arrival);
    if (typeof arrival !== "string") this.waiting += arrival.length;
    if (this.receiver !== undefined) this.#post();
  }

  #post(): void {
    if (this.#posted) return;
    this.#posted = true;
    this.process.post(() => {
      this.#posted = false;
      this.#deliver();
    });
  }

  /** All that has come, in one turn, as a socket's data is read. */
  #deliver(): void {
    while (this.#inbox.length > 0 && !this.#paused && !this.over) {
      const arrival = this.#inbox.shift()!;
      if (arrival === "end") return this.#die(undefined, true);
      if (arrival === "broken")
        return this.#die(fail("link_closed", { transport: this.transport, detail: "it broke" }), true);
      this.waiting -= arrival.length;
      this.other.wire.consumed(arrival.length);
      let batches: readonly Uint8Array[] = [arrival];
      if (this.#kind.framed) {
        try {
          batches = readBatches(arrival, !this.traits.binary, this.traits.maxBatchBytes, this.transport);
        } catch (error) {
          return this.#die(error as ConnectError, true);
        }
      }
      for (const batch of batches) {
        if (this.over) return;
        this.#network.world.trace.note("gets", this.name, batch.length);
        this.#network.got(this, batch);
        this.receiver!.batch(batch);
      }
    }
  }

  /** `inTurn`: this is a turn of its own process, outside of any method of the link. */
  #die(error: ConnectError | undefined, inTurn = false): void {
    this.over = true;
    this.#inbox.length = 0;
    this.waiting = 0;
    if (error !== undefined) this.wire.sever();
    this.#network.world.trace.note(error === undefined ? "closed" : "broken", this.name);
    const tell = (): void => {
      this.told = true;
      this.#network.ended(this);
      this.receiver?.closed(error);
    };
    if (inTurn) tell();
    else this.process.post(tell);
  }
}

/** An opened link of the simulated network. */
export class SimLink {
  readonly client: SimEnd;
  readonly server: SimEnd;
  readonly kind: LinkKind;
  readonly #network: Network;

  constructor(network: Network, kind: LinkKind, client: SimProcess, server: SimProcess, name: string) {
    this.#network = network;
    this.kind = kind;
    this.client = new SimEnd(network, kind, client, `${name}>`);
    this.server = new SimEnd(network, kind, server, `${name}<`);
    const { world } = network;
    const wire = (from: SimEnd, to: SimEnd, asked: boolean): Wire =>
      new Wire(world, network, network.wireOptions(), {
        arrive: (arrival) => to.arrive(arrival),
        sent: () => from.drained(),
        asked,
      });
    this.client.wire = wire(this.client, this.server, false);
    this.server.wire = wire(this.server, this.client, !kind.traits.push);
    this.client.other = this.server;
    this.server.other = this.client;
    if (!kind.traits.push) this.#ask();
  }

  get over(): boolean {
    return this.client.over && this.server.over;
  }

  /** A transport that does not push: the client asks, and what waits at the server goes with the answer. */
  #ask(): void {
    const { world } = this.#network;
    world.at(
      world.now + this.kind.pollMs + this.#network.rttMs,
      () => {
        if (this.over) return;
        if (!this.#network.partitioned && !this.client.process.stalled && !this.server.process.stalled)
          this.server.wire.permit();
        this.#ask();
      },
      true,
    );
  }

  /** A broken cable in mid-batch; both ends hear of it. */
  cut(): void {
    this.client.torn = this.server.torn = this.kind.torn;
    this.client.wire.cut(this.kind.torn);
    this.server.wire.cut(this.kind.torn);
  }

  /** Half-open: one end hears that it is over, the other hears nothing more. */
  halfClose(end: "client" | "server", inOrder: boolean): void {
    const [one, other] = end === "client" ? [this.client, this.server] : [this.server, this.client];
    one.wire.sever();
    other.wire.sever();
    one.arrive(inOrder ? "end" : "broken");
  }

  stall(direction: "up" | "down" | "both"): () => void {
    const wires = [
      ...(direction !== "down" ? [this.client.wire] : []),
      ...(direction !== "up" ? [this.server.wire] : []),
    ];
    for (const wire of wires) wire.stall();
    return () => {
      for (const wire of wires) wire.flow();
    };
  }

  /** One side is gone without a word; the other hears after a while, if at all. */
  vanish(side: "client" | "server", told: boolean): void {
    const [gone, left] = side === "client" ? [this.client, this.server] : [this.server, this.client];
    gone.over = true;
    gone.wire.sever();
    left.wire.sever();
    if (told) left.arrive("broken");
  }
}

export type { FramePlant };

function isText(bytes: Uint8Array): boolean {
  try {
    strictText.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
