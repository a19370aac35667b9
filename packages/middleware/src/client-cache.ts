// Client: unary calls without side effects are answered by what the same session was answered before, for as long as schema and server say.
import type { UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import { type ChannelInfo, type OptionsOf, type Plugin, definePlugin, resolveOptions } from "@raceway/core";
import { AnswerCache, type CacheStats, statsOf } from "./answer-cache.ts";
import type { Question } from "./answers.ts";
import { readCacheControl } from "./cache-control.ts";
import { checkNumbers, settingOf } from "./channel-settings.ts";
import { askedOf, questionOf } from "./question.ts";

export const clientCacheOptions = {
  /** So many answers are kept; the least lately used go first. */
  maxEntries: { kind: "number", default: 1_000, min: 0, max: 100_000_000, unit: "count" },
  /** So much memory they take; the least lately used go first. */
  maxBytes: { kind: "number", default: 4_194_304, min: 0, max: 107_374_182_400, unit: "bytes" },
  /** Larger answers are not kept. */
  answerBytes: { kind: "number", default: 262_144, min: 0, max: 268_435_456, unit: "bytes" },
  /** Longer requests, with their headers, are not looked up. */
  keyBytes: { kind: "number", default: 4_096, min: 0, max: 1_048_576, unit: "bytes" },
} as const;

const age = { min: 0, max: 31_536_000_000, unit: "ms" } as const;

export type ClientCacheOptions = OptionsOf<typeof clientCacheOptions> & {
  /** For how long answers are given again, in milliseconds, by channel, "package.Service/Method" or "package.Service/*", in place of what the schema says; 0: not at all. */
  readonly channels?: Readonly<Record<string, number>>;
};

export interface ClientCache extends Plugin {
  /** Forgets answers, of one channel, "package.Service/Method" or "package.Service/*", or of all, and says how many. What is under way is not kept either. Throws `option_invalid`. */
  drop(channel?: string): number;
  /** Of all connections that the plugin is in, together. */
  readonly stats: CacheStats;
}

/**
 * Gives answers again for as long as the schema's `call.cache` (or `channels`) says, or less if the server says so in `cache-control`; equal calls that are under way share one answer. Forgets all
 * when a new session begins, whose principal may be another. A call with the header `cache-control: no-cache` runs, and its answer is kept. Throws `option_invalid`.
 */
export function clientCache(given: ClientCacheOptions = {}): ClientCache {
  const { channels, ...rest } = given;
  const options = resolveOptions("cache", clientCacheOptions, rest);
  checkNumbers("cache", "channels", channels, age);
  const running = new Set<AnswerCache>();
  const plugin = definePlugin({
    name: "cache",
    // What is answered here is no call to any other plugin: it is not tried again, counted or signed.
    before: ["*"],
    start({ clock }) {
      const answers = new AnswerCache(clock, options);
      running.add(answers);
      let hasSession = false;
      return {
        began() {
          if (hasSession) answers.drop(() => true);
          hasSession = true;
        },
        call(channel) {
          const maxAgeMs = settingOf(channel, channels) ?? channel.contract.cache?.maxAgeMs ?? 0;
          const { desc, contract } = channel;
          if (desc.methodKind !== "unary" || contract.idempotency !== "no-side-effects" || maxAgeMs === 0)
            return undefined;
          return (next) =>
            async function cache(request) {
              if (request.stream) return next(request);
              const wish = readCacheControl(request.header.get("cache-control"));
              const question = asked(channel, request, options.keyBytes);
              if (question === undefined) return next(request);
              const { response } = await answers.ask({
                question,
                request,
                fresh: !wish.keeps || wish.maxAgeMs === 0,
                run: () => next(request) as Promise<UnaryResponse>,
                goodFor({ header }) {
                  const said = readCacheControl(header.get("cache-control"));
                  return said.keeps ? Math.min(maxAgeMs, said.maxAgeMs) : 0;
                },
              });
              return response;
            };
        },
        [Symbol.asyncDispose]: async () => void running.delete(answers),
      };
    },
  });
  return {
    ...plugin,
    drop(channel) {
      const matches = channel === undefined ? () => true : askedOf(channel);
      let count = 0;
      for (const answers of running) count += answers.drop(matches);
      return count;
    },
    get stats() {
      return statsOf(running);
    },
  };
}

/** Headers that a caller sets are part of what he asks, but for how fresh he wants it. */
function asked(channel: ChannelInfo, { message, header }: UnaryRequest, keyBytes: number): Question | undefined {
  const headers = [...header].filter(([name]) => name !== "cache-control").flat();
  return questionOf(channel, message, "", headers, keyBytes);
}
