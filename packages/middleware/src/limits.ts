// How much of a channel is used at one time: calls that run, subscribers of one topic; as the schema says, or by default.
import type { StreamResponse } from "@connectrpc/connect";
import {
  type OptionsOf,
  type Plugin,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  resolveOptions,
} from "@raceway/core";

learn(middlewareReasons);

export const limitsOptions = {
  /** Calls of one channel that may run at a time on this node, where the schema says nothing (`max_concurrent`); 0 for no limit. */
  concurrent: { kind: "number", default: 0, min: 0, max: 1_000_000, unit: "count" },
  /** The same of one principal; 0 for no limit. Those who are nobody are not counted: they share no name. */
  concurrentPerPrincipal: { kind: "number", default: 0, min: 0, max: 1_000_000, unit: "count" },
  /** Subscribers of one topic address on this node, where the schema says nothing (`max_subscribers`); 0 for no limit. */
  subscribers: { kind: "number", default: 0, min: 0, max: 10_000_000, unit: "count" },
} as const;

/** A wait that makes sense for a limit that is about what runs now, in milliseconds. */
const RETRY_MS = 250;

/** Refuses with `channel_busy` or `topic_crowded`, and a retry delay. Limits of a session or of an address are `limits` of the server. */
export function limits(given: OptionsOf<typeof limitsOptions> = {}): Plugin {
  const options = resolveOptions("limits", limitsOptions, given);
  return definePlugin({
    name: "limits",
    enforces: ["maxConcurrent", "maxSubscribers"],
    start: () => ({
      call(channel) {
        if (channel.gated) return undefined;
        const most = channel.policy?.maxConcurrent ?? (options.concurrent || Infinity);
        const each = options.concurrentPerPrincipal || Infinity;
        if (most === Infinity && each === Infinity) return undefined;
        let count = 0;
        const byPrincipal = new Map<string, number>();
        return (next) =>
          async function limits(request) {
            if (request.signal.aborted) throw fail("call_cancelled"); // it would never be told again that it is over
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
        if (most === Infinity) return undefined;
        const byAddress = new Map<string, number>();
        return {
          subscribe({ kind, address, ended }) {
            if (kind !== "subscribe" || ended.aborted) return;
            const count = byAddress.get(address) ?? 0;
            if (count >= most) throw fail("topic_crowded", { address, count, limit: most, retryAfterMs: RETRY_MS });
            byAddress.set(address, count + 1);
            ended.addEventListener("abort", () => {
              const left = byAddress.get(address)! - 1;
              if (left > 0) byAddress.set(address, left);
              else byAddress.delete(address);
            });
          },
        };
      },
    }),
  });
}

async function* counted(messages: AsyncIterable<unknown>, done: () => void): AsyncGenerator {
  try {
    yield* messages;
  } finally {
    done();
  }
}
