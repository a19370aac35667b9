// Looks into the sessions of both sides while the world runs: counts that must agree, memory that must stay bounded, ends that must have a reason.
import { type Limits, reasonOf } from "@raceway/core";
import {
  type Frame,
  type Session,
  SessionLink,
  errorOf,
  isCounted,
  isTextBatch,
  readBatch,
} from "@raceway/core/internal";
import type { SimEnd, SimLink } from "./link.ts";
import type { Watch } from "./network.ts";
import { Violation } from "./violation.ts";
import type { World } from "./world.ts";

/** The two halves of one session. */
export interface Pair {
  readonly name: string;
  readonly client: Session;
  readonly server: Session;
  /** When a link of the server's half ended last, in the world's time. */
  leftAt: number;
  /** It was without a link for so long at most, in milliseconds. */
  longestAlone: number;
}

export interface AuditorOptions {
  readonly client: Limits;
  readonly server: Limits;
  /** Bytes above which links say that they are full. */
  readonly highWater: number;
}

/** Reasons that one side gives when it holds that the other breaks the protocol. Between honest sides there is none. */
const ACCUSATIONS: ReadonlySet<string> = new Set([
  "frame_malformed",
  "frame_unexpected",
  "count_invalid",
  "credit_overflow",
  "flow_violated",
  "too_many_frames",
  "resume_refused",
  "batch_too_large",
  "headers_too_large",
  "hello_too_large",
  "reply_missing",
  "payload_malformed",
]);
const depth = { jsonDepth: 64 };

export class Auditor implements Watch {
  readonly pairs: Map<Session, Pair> = new Map();
  /** Server halves. */
  readonly #byServer = new Map<Session, Pair>();
  readonly links: Set<SimLink> = new Set();
  /** When a link of a server's session ended last, in the world's time. */
  readonly #left = new WeakMap<Session, number>();
  readonly #paired = new WeakSet<SimEnd>();
  /** When a frame came last that was not about the link alone, in the world's time. */
  lastAt = 0;
  /** Batches and frames that were received. */
  batches = 0;
  frames = 0;
  /** The most that was held at once, in bytes. */
  readonly most = { replay: 0, network: 0 };
  readonly #world: World;
  readonly #options: AuditorOptions;

  constructor(world: World, options: AuditorOptions) {
    this.#world = world;
    this.#options = options;
  }

  // ---- what the network tells

  opened(link: SimLink): void {
    this.links.add(link);
  }
  sent(): void {}
  got(end: SimEnd, batch: Uint8Array): void {
    this.batches++;
    if (!this.#paired.has(end) && this.#pairOf(end) !== undefined) this.#paired.add(end).add(end.other);
    try {
      readBatch(batch, depth, (frame) => this.#frame(end, frame));
    } catch {
      if (!end.torn)
        throw new Violation("protocol", `${end.name} got a batch of ${batch.length} bytes that is not one`);
    }
    this.#world.trace.tell(end.name, () => describeBatch(batch));
  }
  #frame(end: SimEnd, frame: Frame): void {
    this.frames++;
    if (isCounted(frame) || frame.kind === "publication") this.lastAt = this.#world.now;
    if (frame.kind === "goaway" && frame.status !== undefined) this.accused(end, errorOf(frame.status));
    else if (frame.kind === "end" && frame.status !== undefined) this.accused(end, errorOf(frame.status));
  }

  /** One side says why it ends a link, a session or a call. */
  accused(end: SimEnd, error: unknown): void {
    const reason = reasonOf(error);
    if (reason === undefined || !ACCUSATIONS.has(reason)) return;
    if (reason === "frame_malformed" && (end.torn || end.other.torn)) return;
    this.#world.fail(new Violation("protocol", `${end.name} was told: ${(error as Error).message}`));
  }

  ended(end: SimEnd): void {
    const session = sessionOf(end);
    if (session?.side !== "server") return;
    this.#left.set(session, this.#world.now);
    const pair = this.#byServer.get(session);
    if (pair !== undefined) pair.leftAt = this.#world.now;
  }

  // ---- in between

  /** Holds all sessions to their promises; between two turns. */
  look(): void {
    let network = 0;
    for (const link of this.links) {
      const pair = this.#pairOf(link.client);
      if (pair !== undefined) this.#counts(pair, link);
      for (const end of [link.client, link.server]) {
        network += end.wire.bytes;
        const limit = this.#options.highWater + this.#options.server.batchBytes;
        if (end.wire.buffered > limit)
          throw new Violation("memory", `${end.name} holds ${end.wire.buffered} bytes to be sent, above ${limit}`);
      }
      if (link.client.over && link.server.over) this.links.delete(link);
    }
    if (network > this.most.network) this.most.network = network;
    for (const pair of this.#byServer.values()) {
      const { client, server } = pair;
      if (server.current === undefined) pair.longestAlone = Math.max(pair.longestAlone, this.#world.now - pair.leftAt);
      this.#memory(pair.name, "client", client, this.#options.client);
      this.#memory(pair.name, "server", server, this.#options.server);
      if (client.over !== undefined && server.over !== undefined) {
        this.#byServer.delete(server);
      }
    }
  }

  #pairOf(end: SimEnd): Pair | undefined {
    const one = sessionOf(end);
    const two = sessionOf(end.other);
    if (one === undefined || two === undefined) return undefined;
    const [client, server] = one.side === "client" ? [one, two] : [two, one];
    const known = this.pairs.get(client);
    if (known !== undefined) {
      if (known.server !== server)
        throw new Violation("counts", `${known.name}: the client's session has links into two sessions of the server`);
      return known;
    }
    if (this.#byServer.has(server))
      throw new Violation("counts", `${end.name}: two sessions of clients have links into one of the server`);
    const pair: Pair = {
      name: end.name,
      client,
      server,
      leftAt: this.#left.get(server) ?? this.#world.now,
      longestAlone: 0,
    };
    this.pairs.set(client, pair);
    this.#byServer.set(server, pair);
    return pair;
  }

  #counts(pair: Pair, link: SimLink): void {
    const { client, server } = pair;
    for (const [from, to, name] of [
      [client, server, "client"],
      [server, client, "server"],
    ] as const) {
      if (from.over !== undefined || to.over !== undefined) continue;
      if (from.replay.acked > to.received)
        throw new Violation(
          "counts",
          `${pair.name}: the ${name} takes ${from.replay.acked} frames for acknowledged, and ${to.received} were received`,
        );
      if (to.received > from.transmitted)
        throw new Violation(
          "counts",
          `${pair.name}: ${to.received} frames were received, and the ${name} has sent ${from.transmitted}`,
        );
      const end = name === "client" ? link.client : link.server;
      const own = end.receiver as SessionLink;
      const others = end.other.receiver as SessionLink;
      if (own.session !== undefined && others.session !== undefined && !end.over && own.sent < others.next)
        throw new Violation(
          "counts",
          `${link.client.name}: frame ${others.next} is the next to come, and the ${name} goes on with ${own.sent}`,
        );
    }
  }

  #memory(name: string, side: string, session: Session, limits: Limits): void {
    const bytes = session.replay.bytes + session.writer.bytes;
    if (bytes > this.most.replay) this.most.replay = bytes;
    const limit = limits.replayBytes * 5 + session.maxMessageBytes;
    if (bytes > limit)
      throw new Violation("memory", `${name}: the ${side}'s replay buffer holds ${bytes} bytes, above ${limit}`);
    if (session.callsInFlight > limits.calls + 1)
      throw new Violation("memory", `${name}: ${session.callsInFlight} calls in flight at the ${side}`);
  }

  // ---- at rest

  /** Nothing is on its way and nobody has anything to say: both sides agree on all that was said. */
  rest(): void {
    this.look();
    for (const pair of this.#byServer.values()) {
      const { client, server, name } = pair;
      if (client.over !== undefined || server.over !== undefined) continue;
      for (const [from, to, side] of [
        [client, server, "client"],
        [server, client, "server"],
      ] as const) {
        if (from.replay.end !== to.received)
          throw new Violation(
            "counts",
            `${name}: the ${side} said ${from.replay.end} frames, ${to.received} were received`,
          );
        if (from.replay.bytes > 0)
          throw new Violation(
            "ack",
            `${name}: the ${side} still keeps frames ${from.replay.acked} to ${from.replay.end}, all received: an acknowledgement was lost`,
          );
        if (from.blocked.size > 0)
          throw new Violation("rest", `${name}: ${from.blocked.size} calls of the ${side} wait for room`);
      }
    }
  }

  /** Nothing is left to be acknowledged. */
  get acknowledged(): boolean {
    for (const { client, server } of this.#byServer.values())
      if (client.over === undefined && server.over === undefined && client.replay.bytes + server.replay.bytes > 0)
        return false;
    return true;
  }

  /** Is there a call that could send if only it had credit? Its name, for a message. */
  get starving(): string | undefined {
    for (const pair of this.#byServer.values()) {
      for (const [session, side] of [
        [pair.client, "client"],
        [pair.server, "server"],
      ] as const) {
        if (!session.roomy || session.over !== undefined) continue;
        for (const call of session.blocked)
          if (!call.subscription) return `${pair.name}: call ${call.id} of the ${side}`;
      }
    }
    return undefined;
  }

  /** Live pairs, for whoever counts sessions. */
  get live(): number {
    let count = 0;
    for (const { client, server } of this.#byServer.values())
      if (client.over === undefined && server.over === undefined) count++;
    return count;
  }
}

/** The session that the link of this end belongs to. */
export function sessionOf(end: SimEnd): Session | undefined {
  return end.receiver instanceof SessionLink ? end.receiver.session : undefined;
}

function describeBatch(batch: Uint8Array): string {
  const frames: string[] = [];
  try {
    readBatch(batch, depth, (frame) => frames.push(describeFrame(frame)));
  } catch {
    frames.push("…torn");
  }
  return `${isTextBatch(batch) ? "text" : "binary"} ${frames.join(" · ")}`;
}

function describeFrame(frame: Frame): string {
  switch (frame.kind) {
    case "hello":
      return `hello${frame.session.length > 0 ? ` resume, has ${frame.received}` : ""}, attempt ${frame.attempt}`;
    case "welcome":
      return `welcome${frame.resumed ? " back" : ""}, has ${frame.received}`;
    case "open":
      return `open ${frame.call} ${frame.method.slice(frame.method.lastIndexOf("/") + 1)}${frame.end ? " whole" : ""}`;
    case "data":
      return `data ${frame.call}`;
    case "end":
      return `end ${frame.call}${frame.status === undefined ? "" : ` ${reasonOf(errorOf(frame.status)) ?? frame.status.code}`}`;
    case "cancel":
      return `cancel ${frame.call}`;
    case "credit":
      return `credit ${frame.call} +${frame.messages}`;
    case "ack":
      return `ack ${frame.received}${frame.from === undefined ? "" : `, from ${frame.from}`}`;
    case "topic":
      return `topic ${frame.call} handle ${frame.handle} at ${frame.position?.offset ?? "-"}${frame.state === 2 ? " reset" : ""}`;
    case "publication":
      return `publication ${frame.offset}`;
    case "goaway":
      return `goaway ${frame.final ? "final" : ""} ${frame.status === undefined ? "" : (reasonOf(errorOf(frame.status)) ?? frame.status.code)}`;
    default:
      return frame.kind;
  }
}
