// A proxy for bytes between a client and a server on this machine, which does to them what networks do: cuts, stalls, slows down, tears into pieces.
import { createServer, type Socket } from "node:net";
import { type Clock, type Random, systemRandom } from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { bothDirections, directionsOf, FaultConnection, type FaultedConnection, reset } from "./fault-connection.ts";
import { Fuse } from "./fault-flow.ts";
import type { FaultAdmission, FaultDirection, Faults, FaultShape } from "./fault-shape.ts";

/** Faults of the proxy hold for all connections; stalls and shapes for those to come, too. */
export interface FaultProxy extends Faults, AsyncDisposable {
  /** Where it listens: a free port of the loopback interface, or the path that was asked for. */
  readonly address: number | string;
  /** What is open now, the oldest first. */
  readonly connections: readonly FaultedConnection[];
  /** What becomes of new connections from now on. */
  admit(how: FaultAdmission): void;
  /** New connections are cut so many milliseconds after their opening; undefined: they live on. */
  lifetime(ms: number | undefined): void;
  /** Resolves when so many more bytes have passed. */
  passed(bytes: number, direction?: FaultDirection): Promise<void>;
}

/** Where something listens on this machine: a port of the loopback interface, or the path of a Unix domain socket (or named pipe). */
export type LocalAddress = number | string;

export interface FaultProxyOptions {
  /** Where to listen; default: a free port. */
  readonly listen?: LocalAddress;
  /** For delays and rates. */
  readonly clock?: Clock;
  /** For jitter and pieces. */
  readonly random?: Random;
}

const at = (address: LocalAddress): { port: number; host: string } | { path: string } =>
  typeof address === "number" ? { port: address, host: "127.0.0.1" } : { path: address };

/** Starts a proxy in front of something that listens on this machine. */
export async function faultProxy(target: LocalAddress, options: FaultProxyOptions = {}): Promise<FaultProxy> {
  const { listen = 0, clock = nodeClock(), random = systemRandom } = options;
  const connections = new Set<FaultConnection>();
  const stalled = new Set<FaultDirection>();
  const shapes: Record<FaultDirection, FaultShape> = { up: {}, down: {} };
  const waiting = new Set<{
    left: number;
    readonly direction: FaultDirection | undefined;
    readonly done: () => void;
  }>();
  let admission: FaultAdmission = "pass";
  let lifetimeMs: number | undefined;

  const cutNow = (): void => {
    for (const connection of connections) connection.cut();
  };
  const fuses = { both: new Fuse(cutNow), up: new Fuse(cutNow), down: new Fuse(cutNow) };
  const passed = (direction: FaultDirection, bytes: number): void => {
    for (const wait of waiting) {
      if (wait.direction !== undefined && wait.direction !== direction) continue;
      wait.left -= bytes;
      if (wait.left > 0) continue;
      waiting.delete(wait);
      wait.done();
    }
  };
  const accepted = new Set<Socket>();
  const server = createServer({ allowHalfOpen: true }, (client) => {
    accepted.add(client);
    client.on("close", () => accepted.delete(client));
    if (admission === "refuse") {
      client.on("error", () => {});
      return reset(client);
    }
    const connection: FaultConnection = new FaultConnection({
      client,
      target: at(target),
      clock,
      random,
      setting: { stalled, shapes },
      hangs: admission === "hang",
      lifetimeMs,
      fuses: { up: [fuses.both, fuses.up], down: [fuses.both, fuses.down] },
      passed,
      closed: () => connections.delete(connection),
    });
    connections.add(connection);
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(at(listen), resolve));
  const address = server.address();
  return {
    address: typeof address === "object" && address !== null ? address.port : listen,
    get connections() {
      return [...connections];
    },
    cut(afterBytes, direction) {
      if (afterBytes === undefined) {
        for (const fuse of Object.values(fuses)) fuse.left = Infinity; // what was to come later has come now
        cutNow();
      } else fuses[direction ?? "both"].left = afterBytes;
    },
    halfClose(direction) {
      for (const connection of connections) connection.halfClose(direction);
    },
    stall(direction) {
      for (const each of directionsOf(direction)) stalled.add(each);
      for (const connection of connections) connection.stall(direction);
    },
    shape(shape, direction) {
      for (const each of directionsOf(direction)) shapes[each] = shape;
      for (const connection of connections) connection.shape(shape, direction);
    },
    admit(how) {
      admission = how;
    },
    lifetime(ms) {
      lifetimeMs = ms;
    },
    restore() {
      admission = "pass";
      lifetimeMs = undefined;
      stalled.clear();
      for (const direction of bothDirections) shapes[direction] = {};
      for (const fuse of Object.values(fuses)) fuse.left = Infinity;
      for (const connection of connections) connection.restore();
    },
    passed: (bytes, direction) => new Promise((done) => waiting.add({ left: bytes, direction, done })),
    async [Symbol.asyncDispose]() {
      admission = "refuse"; // of who is just arriving
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      cutNow();
      for (const client of accepted) client.destroy(); // refused ones, too
      await closed;
    },
  };
}
