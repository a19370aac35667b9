// How much somebody may use at one time: calls that run, subscribers of one topic, subscriptions, connections; and how many bytes a second.
import type { ContextValues, StreamResponse } from "@connectrpc/connect";
import {
  type Opening,
  type OptionsOf,
  type Plugin,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  resolveOptions,
} from "@raceway/core";
import { ByteLimits } from "./byte-limits.ts";
import { Shares } from "./shares.ts";
import { addressOf, whoOf } from "./who.ts";

learn(middlewareReasons);

export const limitsOptions = {
  /** Calls of one channel that may run at a time on this node, where the schema says nothing (`max_concurrent`); 0 for no limit. */
  concurrent: { kind: "number", default: 0, min: 0, max: 1_000_000, unit: "count" },
  /** The same of one principal; 0 for no limit. Those who are nobody are not counted: they share no name. */
  concurrentPerPrincipal: { kind: "number", default: 0, min: 0, max: 1_000_000, unit: "count" },
  /** Subscribers of one topic address on this node, where the schema says nothing (`max_subscribers`); 0 for no limit. */
  subscribers: { kind: "number", default: 0, min: 0, max: 10_000_000, unit: "count" },
  /** Subscriptions of one principal to topics on this node, over all sessions and doors; 0 for no limit. Those who are nobody are counted by address. */
  subscriptionsPerPrincipal: { kind: "number", default: 0, min: 0, max: 10_000_000, unit: "count" },
  /** Sessions, with or without a link, and calls at native doors of one address on this node, IPv6 by its first 64 bits; 0 for no limit. */
  connectionsPerAddress: { kind: "number", default: 0, min: 0, max: 10_000_000, unit: "count" },
  /** Bytes per second that come in over links and at native doors, on average, on all nodes with one store; 0 for no limit. */
  bytesInPerSecond: { kind: "number", default: 0, min: 0, max: 107_374_182_400, unit: "bytes" },
  /** The same of what goes out. */
  bytesOutPerSecond: { kind: "number", default: 0, min: 0, max: 107_374_182_400, unit: "bytes" },
  /** Bytes that may come in, and as many go out, before the averages count. */
  bytesBurst: { kind: "number", default: 4_194_304, min: 1_024, max: 107_374_182_400, unit: "bytes" },
  /** Whose bytes are counted together. Those who are nobody are counted by address. */
  bytesScope: { kind: "text", default: "principal", values: ["principal", "address"] },
} as const;

/** A wait that makes sense for a limit that is about what runs now, in milliseconds. */
const RETRY_MS = 250;

/**
 * Refuses with `channel_busy`, `topic_crowded` or `share_used_up`, and a retry delay. Whoever has used up his bytes is slowed down: his links and streams stand
 * still for a while, and nothing is lost; only new calls at a native door are refused then, with `bytes_limited`. What one session may have is in `limits` of the server.
 */
export function limits(given: OptionsOf<typeof limitsOptions> = {}): Plugin {
  const options = resolveOptions("limits", limitsOptions, given);
  return definePlugin({
    name: "limits",
    enforces: ["maxConcurrent", "maxSubscribers"],
    after: ["ip-filter"],
    start: (host) => {
      const bytes = new ByteLimits(host, options);
      const connections = new Shares("connections", "address", options.connectionsPerAddress);
      const subscriptions = new Shares("subscriptions", "principal", options.subscriptionsPerPrincipal);
      return {
        ...(connections.limited && {
          session(opening: Opening) {
            if (opening.kind === "open" || opening.kind === "native")
              connections.take(addressOf(opening.context), opening.ended);
          },
        }),
        ...(bytes.limited && { meter: (context: ContextValues) => bytes.meterOf(context) }),
        call(channel) {
          // A topic's subscriptions pass here at native doors alone, before the request is read; its gate counts them.
          if (channel.gated) return bytes.limited ? bytes.interceptor : undefined;
          const most = channel.policy?.maxConcurrent ?? (options.concurrent || Infinity);
          const each = options.concurrentPerPrincipal || Infinity;
          if (most === Infinity && each === Infinity) return bytes.limited ? bytes.interceptor : undefined;
          let count = 0;
          const byPrincipal = new Map<string, number>();
          return (next) =>
            async function limits(request) {
              if (request.signal.aborted) throw fail("call_cancelled"); // it would never be told again that it is over
              bytes.check(request.contextValues);
              const { id } = request.contextValues.get(principal);
              const own = id === "" ? 0 : (byPrincipal.get(id) ?? 0);
              if (count >= most || own >= each)
                throw fail("channel_busy", {
                  path: channel.path,
                  count: own >= each ? own : count,
                  limit: own >= each ? each : most,
                  retryAfterMs: RETRY_MS,
                });
              count++;
              if (id !== "") byPrincipal.set(id, own + 1);
              let over = false;
              const done = (): void => {
                if (over) return;
                over = true;
                request.signal.removeEventListener("abort", done);
                count--;
                const left = (byPrincipal.get(id) ?? 0) - 1;
                if (left > 0) byPrincipal.set(id, left);
                else byPrincipal.delete(id);
              };
              request.signal.addEventListener("abort", done); // a stream that nobody begins to read ends so
              try {
                const response = await next(request);
                if (!response.stream) {
                  done();
                  return response;
                }
                return { ...response, message: counted(response.message, done) } as StreamResponse;
              } catch (error) {
                done();
                throw error;
              }
            };
        },
        topic(channel) {
          const most = channel.policy?.maxSubscribers ?? (options.subscribers || Infinity);
          if (most === Infinity && !subscriptions.limited) return undefined;
          const byAddress = new Map<string, number>();
          return {
            subscribe({ kind, address, context, ended }) {
              if (kind !== "subscribe" || ended.aborted) return;
              const count = byAddress.get(address) ?? 0;
              if (count >= most) throw fail("topic_crowded", { address, count, limit: most, retryAfterMs: RETRY_MS });
              subscriptions.take(whoOf("principal", context), ended);
              byAddress.set(address, count + 1);
              ended.addEventListener("abort", () => {
                const left = byAddress.get(address)! - 1;
                if (left > 0) byAddress.set(address, left);
                else byAddress.delete(address);
              });
            },
          };
        },
        [Symbol.asyncDispose]: () => Promise.resolve(bytes[Symbol.dispose]()),
      };
    },
  });
}

async function* counted(messages: AsyncIterable<unknown>, done: () => void): AsyncGenerator {
  try {
    yield* messages;
  } finally {
    done();
  }
}
