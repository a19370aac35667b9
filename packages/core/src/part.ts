// What every plugin has, and the world as a plugin sees it.
import type { Store } from "./backplane.ts";
import type { Clock } from "./clock.ts";
import type { Random } from "./random.ts";

/** The contract number that this version of Raceway speaks with plugins. */
export const CONTRACT = 1;

/** A plugin of any kind: transport, middleware, backplane, codec or generator target. Made by a factory, a plain object. */
export interface Part {
  /** Unique among its kind in one host; kebab-case. */
  readonly name: string;
  /** {@link CONTRACT}; a host refuses a plugin written for another. */
  readonly contract: 1;
}

/** A structured log. Fields must be plain values; secrets never get here. */
export interface Logger {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** Time, chance and what else a plugin may use. Injected, so that the simulator can replace it. */
export interface Host {
  readonly side: "client" | "server";
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  /** The backplane's store; in memory on a client. */
  readonly store: Store;
  /** Aborted when the host goes down: finish what runs, take nothing new. */
  readonly draining: AbortSignal;
}

/** A log that goes nowhere. */
export const silentLogger: Logger = { debug() {}, info() {}, warn() {}, error() {} };
