// How often a channel may be used: a token bucket per principal, address, session or channel, in the host's store, so that all nodes count together.
import type { ContextValues } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type OptionsOf,
  type Plugin,
  type Store,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  resolveOptions,
  sessionId,
} from "@raceway/core";
import { whoOf } from "./who.ts";

learn(middlewareReasons);

export const rateLimitOptions = {
  /** Uses of one channel per second, averaged; 0 for no limit but those of the schema. */
  perSecond: { kind: "number", default: 50, min: 0, max: 1_000_000, unit: "count" },
  /** So many may come at once before the average counts. */
  burst: { kind: "number", default: 100, min: 1, max: 1_000_000, unit: "count" },
  /** Who is counted together. Those who are nobody are counted by address. */
  scope: { kind: "text", default: "principal", values: ["principal", "address", "session", "channel", "topic"] },
} as const;

type Scope = "principal" | "address" | "session" | "channel" | "topic";
interface Bucket {
  readonly name: string;
  readonly scope: Scope;
  readonly perSecond: number;
  readonly burst: number;
}

/**
 * Refuses calls, subscriptions and publications above a rate with `rate_limited` and a retry delay. The schema's `rate_limits` of a channel take the place of the
 * options. Counted by channel and by whom, whatever the transport or door; a session that resumes is not counted again. Scope "topic" counts each topic address by itself.
 */
export function rateLimit(given: OptionsOf<typeof rateLimitOptions> = {}): Plugin {
  const options = resolveOptions("rate-limit", rateLimitOptions, given);
  return definePlugin({
    name: "rate-limit",
    enforces: ["rateLimits"],
    after: ["ip-filter"],
    start: ({ store }) => ({
      call(channel) {
        if (channel.gated) return undefined; // its gate counts
        const buckets = bucketsOf(channel, options);
        if (buckets.length === 0) return undefined;
        return (next) =>
          async function rateLimit(request) {
            await takeAll(store, channel.path, buckets, request.contextValues, "");
            return next(request);
          };
      },
      topic(channel) {
        const buckets = bucketsOf(channel, options);
        if (buckets.length === 0) return undefined;
        return {
          subscribe: ({ kind, address, context }) =>
            kind === "subscribe" ? takeAll(store, channel.path, buckets, context, address) : undefined,
          publish: ({ address, context }) =>
            context === undefined ? undefined : takeAll(store, `${channel.path} publish`, buckets, context, address),
        };
      },
    }),
  });
}

function bucketsOf(
  channel: ChannelInfo,
  options: { readonly perSecond: number; readonly burst: number; readonly scope: Scope },
): readonly Bucket[] {
  const limits = channel.policy?.rateLimits ?? [];
  if (limits.length > 0) {
    return limits.map(({ limit, windowMs, scope = "principal", burst = limit }, at) => ({
      name: String(at),
      scope,
      perSecond: (limit * 1_000) / windowMs,
      burst,
    }));
  }
  return options.perSecond === 0 ? [] : [{ name: "", ...options }];
}

async function takeAll(
  store: Store,
  what: string,
  buckets: readonly Bucket[],
  context: ContextValues,
  address: string,
): Promise<void> {
  for (const bucket of buckets) {
    const key = `rate ${what} ${bucket.name} ${countedBy(bucket.scope, context, address)}`;
    // A rate of nothing is a bucket that never fills.
    const { ok, retryAfterMs } =
      bucket.perSecond > 0 && bucket.burst >= 1 ? await store.take(key, 1, bucket) : { ok: false, retryAfterMs: 0 };
    if (!ok)
      throw fail("rate_limited", {
        path: what,
        perSecond: Number(bucket.perSecond.toFixed(3)),
        scope: bucket.scope,
        ...(retryAfterMs > 0 && { retryAfterMs }),
      });
  }
}

function countedBy(scope: Scope, context: ContextValues, address: string): string {
  switch (scope) {
    case "channel":
      return "*";
    case "topic":
      return `topic ${address}`;
    case "session": {
      const session = context.get(sessionId);
      if (session !== "") return `session ${session}`;
      break; // a native call is its own session: counted by who makes it
    }
    case "principal":
    case "address":
      break;
  }
  return whoOf(scope === "address" ? "address" : "principal", context);
}
