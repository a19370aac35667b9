// A lab with TanStack Query in front of it, without a framework: what the observer of a query is told, with time in the test's hands.
import { Code, ConnectError } from "@connectrpc/connect";
import { definePlugin, type Plugin } from "@raceway/core";
import {
  type DefaultError,
  notifyManager,
  QueryClient,
  QueryObserver,
  type QueryKey,
  type QueryObserverOptions,
  type QueryObserverResult,
} from "@tanstack/query-core";
import { type Lab, lab } from "../app/lab.ts";
import { type LabQueries, labQueries } from "../gen/lab/v1/lab.query.ts";

export interface Stage extends Lab {
  readonly queries: LabQueries;
  readonly cache: QueryClient;
  readonly door: Door;
  /** Publishes ticks with these numbers, all in one turn. */
  tell(...sequences: number[]): Promise<void>;
}

/** Where subscriptions of the server come in. */
export interface Door {
  /** Subscriptions so far, and at the moment. */
  opened: number;
  open: number;
  /** Nobody else comes in, and whoever is inside is asked to leave when its session comes back. */
  closed: boolean;
}

/** Somebody who looks at a query. */
export interface Watcher<D, E> extends Disposable {
  /** Each result that it was told, oldest first. */
  readonly told: readonly QueryObserverResult<D, E>[];
  /** The latest. */
  readonly result: QueryObserverResult<D, E>;
}

export const BOARD = { board: "tea" };

export async function stage(options: Parameters<typeof lab>[0] = {}): Promise<Stage> {
  // What observers are told comes in the same turn, and not by a timer that the clock of the test does not know.
  notifyManager.setScheduler(queueMicrotask);
  const door: Door = { opened: 0, open: 0, closed: false };
  const it = await lab({ ...options, server: { ...options.server, use: [doorkeeper(door)] } });
  const cache = new QueryClient();
  return {
    ...it,
    queries: labQueries(it.connection),
    cache,
    door,
    async tell(...sequences) {
      await Promise.all(sequences.map((sequence) => it.topics.ticks.publish(BOARD, { sequence })));
      await it.clock.settle();
    },
    async [Symbol.asyncDispose]() {
      cache.clear();
      await it[Symbol.asyncDispose]();
    },
  };
}

function doorkeeper(door: Door): Plugin {
  return definePlugin({
    name: "doorkeeper",
    start: () => ({
      topic: () => ({
        subscribe({ kind, ended }) {
          if (door.closed) throw new ConnectError("The door is closed.", Code.PermissionDenied);
          if (kind !== "subscribe") return;
          door.opened++;
          door.open++;
          ended.addEventListener("abort", () => door.open--);
        },
      }),
    }),
  });
}

export function watch<D, E = DefaultError, K extends QueryKey = QueryKey>(
  cache: QueryClient,
  options: QueryObserverOptions<D, E, D, D, K>,
): Watcher<D, E> & { setOptions(options: QueryObserverOptions<D, E, D, D, K>): void } {
  const observer = new QueryObserver<D, E, D, D, K>(cache, options);
  const told: QueryObserverResult<D, E>[] = [];
  const stop = observer.subscribe((result) => told.push(result));
  return {
    told,
    get result() {
      return observer.getCurrentResult();
    },
    setOptions: (next) => observer.setOptions(next),
    [Symbol.dispose]: stop,
  };
}

/** What ticks are told apart by. */
export const numbers = (ticks: readonly { readonly sequence: number }[] | undefined): number[] | undefined =>
  ticks?.map(({ sequence }) => sequence);
/** From one to the other, both included. */
export const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, at) => first + at);
