// All that the parts of one simulated world share: its time, its checker, and a book of what is under way.
import { reasonOf } from "@raceway/core";
import type { MessageQueue } from "@raceway/core/internal";
import {
  type Auditor,
  type PlantName,
  Runs,
  type SimProcess,
  TopicModel,
  Violation,
  type World,
} from "@raceway/testkit";
import type { Settings } from "./settings.ts";

/** An operation of a client, from its beginning to its end. */
export interface Operation {
  readonly name: string;
  readonly client: SimProcess;
  readonly at: number;
  readonly stalledBefore: number;
  /** Given to the call, in milliseconds. */
  readonly deadlineMs: number | undefined;
  aborted: boolean;
  /** When its own code was last at work. */
  busyUntil: number;
}

export class Stage {
  readonly world: World;
  readonly settings: Settings;
  readonly auditor: Auditor;
  readonly plant: PlantName | undefined;
  readonly runs: Runs = new Runs();
  readonly topics: TopicModel[];
  /** Under way. */
  readonly operations: Set<Operation> = new Set();
  /** Handlers that run, by what they were asked. */
  readonly handlers: Set<string> = new Set();
  /** User → the newest position that was said, and the newest that was heard. */
  readonly cursorsSaid: Map<string, number> = new Map();
  readonly cursorsHeard: Map<string, number> = new Map();
  readonly faults: Map<string, number> = new Map();
  /** Messages whose content and order were checked. */
  checked = 0;
  /** Errors that calls ended with, by reason. */
  readonly errors: Map<string, number> = new Map();
  /** When a server went down last, in the world's time. */
  serverWent = -1;
  /** Servers so far. */
  incarnation = 0;
  readonly #queues = new Map<MessageQueue<unknown>, number>();
  #number = 0;

  constructor(world: World, settings: Settings, auditor: Auditor, plant: PlantName | undefined) {
    this.world = world;
    this.settings = settings;
    this.auditor = auditor;
    this.plant = plant;
    this.topics = Array.from({ length: settings.boards }, (_, at) => new TopicModel(`board-${at}`));
  }

  /** A number that nothing else has in this world. */
  next(): number {
    return ++this.#number;
  }

  /** A reader's queue, which never holds more than its limit. */
  queue(messages: unknown, limit: number): void {
    this.#queues.set(messages as MessageQueue<unknown>, limit);
  }
  look(): void {
    for (const [queue, limit] of this.#queues) {
      if (queue.length > limit)
        throw new Violation("memory", `${queue.length} messages wait for their reader, above the limit of ${limit}`);
    }
  }

  fault(name: string, where: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
    this.world.trace.note(`FAULT ${name}`, where);
  }

  begin(name: string, client: SimProcess, deadlineMs?: number): Operation {
    const { now } = this.world;
    const operation = {
      name,
      client,
      at: now,
      stalledBefore: client.stalledMs,
      deadlineMs,
      aborted: false,
      busyUntil: now,
    };
    this.operations.add(operation);
    this.world.trace.note("begins", name);
    return operation;
  }

  end(operation: Operation, error?: unknown): void {
    this.operations.delete(operation);
    const reason = error === undefined ? "" : (reasonOf(error) ?? messageOf(error));
    this.world.trace.note(error === undefined ? "ends" : `ends with ${reason}`, operation.name);
    if (error !== undefined) this.errors.set(reason, (this.errors.get(reason) ?? 0) + 1);
    const { deadlineMs } = operation;
    if (deadlineMs === undefined) return;
    const took = this.world.now - operation.at - (operation.client.stalledMs - operation.stalledBefore);
    // A hundredth of drift, the lateness that timers may have, and a turn.
    const most = deadlineMs * 1.02 + 25;
    if (took > most && this.world.now > operation.busyUntil)
      throw new Violation(
        "late",
        `${operation.name} had ${deadlineMs} ms and ended after ${Math.round(took)} ms: a timer came late`,
      );
  }

  /** Runs what a client does; what it throws stops the world. */
  watch(work: Promise<unknown>): void {
    work.catch((error: unknown) => this.world.fail(error));
  }

  /** Was there a reason for this error? Throws if not. */
  excuse(operation: Operation, error: unknown, closing: boolean): void {
    const reason = reasonOf(error);
    const refuse = (why: string): never => {
      throw new Violation("excuse", `${operation.name} ended with ${messageOf(error)}: ${why}`);
    };
    const fell = this.serverWent >= operation.at - 60_000 && this.serverWent >= 0;
    switch (reason) {
      case "call_cancelled":
        return operation.aborted ? undefined : refuse("nobody cancelled it");
      case "call_deadline": {
        if (operation.deadlineMs === undefined) return refuse("it had no deadline");
        if (this.world.now - operation.at < operation.deadlineMs * 0.97 - 5) return refuse("too early");
        return undefined;
      }
      case "connection_closed":
        return closing ? undefined : refuse("nobody closed the connection");
      case "session_lost":
      case "resume_impossible":
      case "draining":
        return fell || this.#sessionCouldGo(operation) ? undefined : refuse("no session had to be given up");
      case "outcome_unknown":
        return fell ? undefined : refuse("the server was never down");
      case "outbox_full":
        return undefined;
      default:
        return refuse("it is not to be expected in a world like this");
    }
  }

  /** Was a session of this client without a link for longer than it is kept, or did it hold more than it may? */
  #sessionCouldGo(operation: Operation): boolean {
    const { resumeMs } = this.settings.limits.server;
    this.auditor.look();
    for (const { name, client, server, longestAlone } of this.auditor.pairs.values()) {
      if (!name.startsWith(`${operation.client.name}.`)) continue;
      if (longestAlone >= resumeMs * 0.98 - 20) return true;
      if (client.replay.kept > client.replay.acked || server.replay.kept > server.replay.acked) return true;
    }
    return false;
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? `${error.name}: ${error.message}` : "what is no error";
}
