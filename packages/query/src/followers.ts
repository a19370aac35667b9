// Who follows which query of a cache, and whether somebody still looks at it.
import { fail } from "@raceway/core";
import type { Query, QueryCache, QueryFunctionContext } from "@tanstack/query-core";
import { Follower, type Plan } from "./follower.ts";

/** The latest follower of each query: one that has ended still knows its position. */
const latest = new WeakMap<object, Follower>();
/** Of each cache with followers that run: what they follow, and how to stop listening to the cache. */
const listening = new WeakMap<QueryCache, { readonly running: Map<Query, Follower>; readonly stop: () => void }>();

/** A `queryFn`: follows the query of `context`, if nobody does. Resolves with the first message or, where it goes on after what is there, as soon as the server is there. */
export async function follow<T, D>(context: QueryFunctionContext<readonly unknown[]>, plan: Plan<T, D>): Promise<D> {
  const cache = context.client.getQueryCache();
  const query = cache.find({ queryKey: context.queryKey, exact: true });
  if (query === undefined) throw fail("call_cancelled"); // it was taken out of the cache while it was asked for
  const before = latest.get(query);
  const follower = before?.joinable === true ? before : start(cache, query, before, context, plan);
  context.signal.addEventListener("abort", () => follower.abandon(), { once: true });
  return follower.data() as Promise<D>;
}

/** It is up to date: messages go into it, or all have. */
export function isFollowed(query: object): boolean {
  return latest.get(query)?.upToDate === true;
}

function start(
  cache: QueryCache,
  query: Query,
  before: Follower | undefined,
  { client }: QueryFunctionContext,
  plan: Plan,
): Follower {
  before?.stop();
  const follower: Follower = new Follower(client, query, plan, before?.position, () => {
    const { running, stop } = listening.get(cache)!;
    if (running.get(query) === follower) running.delete(query);
    if (running.size === 0) stop();
  });
  latest.set(query, follower);
  runningIn(cache).set(query, follower);
  follower.start();
  return follower;
}

function runningIn(cache: QueryCache): Map<Query, Follower> {
  const known = listening.get(cache);
  if (known !== undefined) return known.running;
  const running = new Map<Query, Follower>();
  const unsubscribe = cache.subscribe(({ type, query }) => {
    const follower = running.get(query as Query);
    if (follower === undefined) return;
    if (type === "removed") follower.stop();
    else if (type === "observerAdded" || type === "observerRemoved" || type === "observerOptionsUpdated")
      follower.look();
  });
  const stop = (): void => {
    unsubscribe();
    listening.delete(cache);
  };
  listening.set(cache, { running, stop });
  return running;
}
