// One connection through the fault proxy: two flows that live and die together.
import { connect, type Socket } from "node:net";
import type { Clock, Random, Timer } from "@raceway/core";
import { FaultFlow, Fuse } from "./fault-flow.ts";
import type { FaultDirection, Faults, FaultShape } from "./fault-shape.ts";

/** One client's connection. */
export interface FaultedConnection extends Faults {
  readonly open: boolean;
  /** Resolves when it is over. */
  readonly closed: Promise<void>;
  /** Bytes passed on so far, in each direction. */
  readonly passed: Readonly<Record<FaultDirection, number>>;
}

/** Stalls and shapes by direction, as a proxy has them for the connections to come. */
export interface FaultSetting {
  readonly stalled: ReadonlySet<FaultDirection>;
  readonly shapes: Readonly<Record<FaultDirection, FaultShape>>;
}

export interface FaultConnectionInit {
  readonly client: Socket;
  readonly target: { readonly port: number; readonly host: string } | { readonly path: string };
  readonly clock: Clock;
  readonly random: Random;
  readonly setting: FaultSetting;
  /** Taken, but not yet led anywhere: until `restore`. */
  readonly hangs: boolean;
  /** Cut so long after its opening, in milliseconds. */
  readonly lifetimeMs: number | undefined;
  /** Of the whole proxy. */
  readonly fuses: Readonly<Record<FaultDirection, readonly Fuse[]>>;
  readonly passed: (direction: FaultDirection, bytes: number) => void;
  readonly closed: () => void;
}

export const bothDirections: readonly FaultDirection[] = ["up", "down"];

/** One direction, or both. */
export const directionsOf = (direction: FaultDirection | undefined): readonly FaultDirection[] =>
  direction === undefined ? bothDirections : [direction];

export class FaultConnection implements FaultedConnection {
  readonly passed: Record<FaultDirection, number> = { up: 0, down: 0 };
  readonly #init: FaultConnectionInit;
  #sockets: readonly Socket[];
  #flows: Readonly<Record<FaultDirection, FaultFlow>> | undefined;
  readonly #fuse: Fuse = new Fuse(() => this.cut());
  readonly #fuses: Readonly<Record<FaultDirection, Fuse>> = {
    up: new Fuse(() => this.cut()),
    down: new Fuse(() => this.cut()),
  };
  readonly #lifetime: Timer | undefined;
  #open = true;
  readonly #closed: PromiseWithResolvers<void> = Promise.withResolvers<void>();

  constructor(init: FaultConnectionInit) {
    this.#init = init;
    this.#sockets = [init.client];
    init.client.on("error", () => this.#broken());
    init.client.on("close", () => this.#gone(init.client));
    if (init.hangs) init.client.pause();
    else this.#lead();
    if (init.lifetimeMs !== undefined) this.#lifetime = init.clock.after(init.lifetimeMs, () => this.cut());
  }

  /** Connects to the target. */
  #lead(): void {
    const { client, target, clock, random, setting, fuses, passed } = this.#init;
    const behind = connect({ ...target, allowHalfOpen: true });
    behind.on("error", () => this.#broken());
    behind.on("close", () => this.#gone(behind));
    this.#sockets = [client, behind];
    const flow = (direction: FaultDirection, from: Socket, to: Socket): FaultFlow => {
      const made = new FaultFlow({
        from,
        to,
        clock,
        random,
        fuses: [...fuses[direction], this.#fuse, this.#fuses[direction]],
        passed: (bytes) => {
          this.passed[direction] += bytes;
          passed(direction, bytes);
        },
      });
      made.shape = setting.shapes[direction];
      made.stalled = setting.stalled.has(direction);
      return made;
    };
    this.#flows = { up: flow("up", client, behind), down: flow("down", behind, client) };
  }

  get open(): boolean {
    return this.#open;
  }
  get closed(): Promise<void> {
    return this.#closed.promise;
  }

  cut(afterBytes?: number, direction?: FaultDirection): void {
    if (afterBytes === undefined) this.#broken();
    else (direction === undefined ? this.#fuse : this.#fuses[direction]).left = afterBytes;
  }
  halfClose(direction: FaultDirection): void {
    this.#flows?.[direction].halfClose();
  }
  stall(direction?: FaultDirection): void {
    for (const each of directionsOf(direction)) if (this.#flows !== undefined) this.#flows[each].stalled = true;
  }
  shape(shape: FaultShape, direction?: FaultDirection): void {
    for (const each of directionsOf(direction)) if (this.#flows !== undefined) this.#flows[each].shape = shape;
  }
  restore(): void {
    if (!this.#open) return;
    for (const fuse of [this.#fuse, this.#fuses.up, this.#fuses.down]) fuse.left = Infinity;
    if (this.#flows === undefined) return this.#lead();
    for (const direction of bothDirections) {
      this.#flows[direction].shape = {};
      this.#flows[direction].stalled = false;
    }
  }

  /** A reset on one side is one on the other. */
  #broken(): void {
    for (const socket of this.#sockets) reset(socket);
  }

  #gone(socket: Socket): void {
    // Ended by both sides in good order, or torn: then the other one is torn, too.
    if (socket.errored !== null || !socket.readableEnded) this.#broken();
    if (!this.#open || this.#sockets.some((each) => !each.destroyed)) return;
    this.#open = false;
    this.#lifetime?.[Symbol.dispose]();
    this.#init.closed();
    this.#closed.resolve();
  }
}

/** Ends a connection as a broken one ends. Unix domain sockets know no reset: there the other side sees an end that it did not expect. */
export function reset(socket: Socket): void {
  if (socket.destroyed) return;
  // While its end is on the way down to the kernel, a socket cannot be reset: libuv refuses, Node 24 forgets the handle, and the process never exits.
  const ending = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (ending || (socket.remoteFamily === undefined && !socket.connecting)) return void socket.destroy();
  try {
    socket.resetAndDestroy();
  } catch {
    socket.destroy(); // a Unix domain socket that is just connecting
  }
}
