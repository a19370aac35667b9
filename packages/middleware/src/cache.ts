// Server: unary calls without side effects are answered by what equal calls were answered, for as long and for whom the schema says.
import { create } from "@bufbuild/protobuf";
import type { ContextValues, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type OptionsOf,
  type Plugin,
  type Principal,
  clientAddress,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  peer,
  principal,
  resolveOptions,
  sessionId,
} from "@raceway/core";
import { AnswerCache, type CacheStats, statsOf } from "./answer-cache.ts";
import type { Question } from "./answers.ts";
import { readCacheControl, writeCacheControl } from "./cache-control.ts";
import { checkChannelNames, settingOf } from "./channel-settings.ts";
import { overlaid } from "./context-overlay.ts";
import { askedOf, questionOf, requestText } from "./question.ts";

export { type ClientCache, type ClientCacheOptions, clientCache } from "./client-cache.ts";
export type { CacheStats } from "./answer-cache.ts";

learn(middlewareReasons);

export const cacheOptions = {
  /** For how long answers are given again where neither schema nor `channels` say anything; 0: not at all. To their own principal only. */
  maxAgeMs: { kind: "number", default: 0, min: 0, max: 31_536_000_000, unit: "ms" },
  /** So many answers are kept; the least lately used go first. */
  maxEntries: { kind: "number", default: 10_000, min: 0, max: 100_000_000, unit: "count" },
  /** So much memory they take; the least lately used go first. */
  maxBytes: { kind: "number", default: 67_108_864, min: 0, max: 107_374_182_400, unit: "bytes" },
  /** Larger answers are not kept. */
  answerBytes: { kind: "number", default: 262_144, min: 0, max: 268_435_456, unit: "bytes" },
  /** Longer requests, with all else that an answer depends on, are not looked up. */
  keyBytes: { kind: "number", default: 4_096, min: 0, max: 1_048_576, unit: "bytes" },
} as const;

/** How one channel is cached; what is not given is as the schema says. */
export interface CacheSettings {
  /** 0: not at all. */
  readonly maxAgeMs?: number;
  /** Default, where the schema does not say: "private". */
  readonly scope?: "private" | "public";
  /** Request headers on which the answer depends. The handler sees no others. */
  readonly headers?: readonly string[];
  /** What else the answer depends on, such as a tenant that a plugin has found out; undefined: this call is not cached. */
  readonly by?: (asked: { readonly request: unknown; readonly context: ContextValues }) => string | undefined;
}

export type CacheOptions = OptionsOf<typeof cacheOptions> & {
  /** By channel, "package.Service/Method" or "package.Service/*". */
  readonly channels?: Readonly<Record<string, CacheSettings>>;
};

/** Which answers to forget: all that fit all of what is given; nothing given is all. */
export interface Dropped {
  /** "package.Service/Method", or "package.Service/*". */
  readonly channel?: string;
  /** The request, as its fields; only with a channel by its full name. */
  readonly request?: object;
  /** Id of the principal whose answers they are. */
  readonly principal?: string;
}

export interface Cache extends Plugin {
  /**
   * Forgets answers, and says how many. What is under way is not kept either, nor given to those who ask from now on. On this node only: others have
   * answers of their own. Throws `option_invalid`.
   */
  drop(what?: Dropped): number;
  /** Of all servers that the plugin is in, together. */
  readonly stats: CacheStats;
}

/** What is known of a channel, once. */
interface Rule {
  readonly maxAgeMs: number;
  readonly isPublic: boolean;
  /** In lower case. */
  readonly headers: readonly string[];
  readonly by: CacheSettings["by"];
}

interface Running {
  readonly answers: AnswerCache;
  readonly channels: Map<string, ChannelInfo>;
}

/**
 * Answers unary calls that are marked `NO_SIDE_EFFECTS` from memory, after all gates have let them in. At HTTP doors answers say for how long browsers and proxies may keep them.
 * Throws `option_invalid`; a channel in `channels` that may have effects, or is not served, stops the start.
 */
export function cache(given: CacheOptions = {}): Cache {
  const { channels, ...rest } = given;
  const options = resolveOptions("cache", cacheOptions, rest);
  checkSettings(channels);
  const running = new Set<Running>();
  const plugin = definePlugin({
    name: "cache",
    // Whoever may not call is refused before he gets here, by whatever plugin.
    after: ["*"],
    check(channel) {
      const setting = Object.hasOwn(channels ?? {}, channel.path.slice(1));
      if (!setting || isSafe(channel) || channels![channel.path.slice(1)]!.maxAgeMs === 0) return [];
      return [
        {
          severity: "error",
          message: "it is to be cached, but only unary calls without side effects can be",
          mend: "mark the method with idempotency_level = NO_SIDE_EFFECTS, or take it from channels of cache",
        },
      ];
    },
    start({ clock }) {
      const own: Running = { answers: new AnswerCache(clock, options), channels: new Map() };
      const unused = new Set(Object.keys(channels ?? {}));
      running.add(own);
      return {
        ready() {
          const [rule] = unused;
          if (rule !== undefined) throw fail("rule_unused", { plugin: "cache", rule });
        },
        call(channel) {
          for (const name of [channel.path.slice(1), `${channel.service.typeName}/*`]) unused.delete(name);
          const rule = ruleOf(channel, settingOf(channel, channels), options.maxAgeMs);
          if (rule === undefined) return undefined;
          own.channels.set(channel.path, channel);
          return (next) =>
            async function cache(request) {
              if (request.stream) return next(request);
              const question = asked(channel, rule, request, options.keyBytes);
              if (question === undefined) return next(request);
              const { response, leftMs } = await own.answers.ask({
                question,
                request,
                run: () => next(impersonal(request, rule)) as Promise<UnaryResponse>,
                goodFor: (answer) => goodFor(answer, rule),
              });
              if (leftMs > 0) tell(request, response, leftMs, rule);
              return response;
            };
        },
        [Symbol.asyncDispose]: async () => void running.delete(own),
      };
    },
  });
  return {
    ...plugin,
    drop(what = {}) {
      const matches = matcherOf(what);
      let count = 0;
      for (const each of running) count += each.answers.drop(matches(each));
      return count;
    },
    get stats() {
      return statsOf(Array.from(running, ({ answers }) => answers));
    },
  };
}

// ---- what is asked

function isSafe({ desc, contract }: ChannelInfo): boolean {
  return desc.methodKind === "unary" && contract.kind === "call" && contract.idempotency === "no-side-effects";
}

/** Undefined: it is not cached. */
function ruleOf(channel: ChannelInfo, setting: CacheSettings | undefined, byDefault: number): Rule | undefined {
  const { cache: contract } = channel.contract;
  const maxAgeMs = setting?.maxAgeMs ?? contract?.maxAgeMs ?? byDefault;
  if (!isSafe(channel) || maxAgeMs === 0) return undefined;
  return {
    maxAgeMs,
    isPublic: (setting?.scope ?? contract?.scope) === "public",
    headers: (setting?.headers ?? []).map((name) => name.toLowerCase()),
    by: setting?.by,
  };
}

/** Undefined: its answer is not for the cache. */
function asked(channel: ChannelInfo, rule: Rule, request: UnaryRequest, keyBytes: number): Question | undefined {
  const { contextValues: context, header, message } = request;
  const who = rule.isPublic ? "" : factsOf(context.get(principal));
  const more = rule.by === undefined ? "" : rule.by({ request: message, context });
  if (who === undefined || more === undefined) return undefined;
  const id = rule.isPublic ? "" : context.get(principal).id;
  return questionOf(channel, message, id, [who, more, ...rule.headers.map((name) => header.get(name))], keyBytes);
}

/** Claims that are another for each token, of the same principal with the same rights. */
const ofTheToken = new Set(["exp", "iat", "nbf", "jti"]);
const facts = new WeakMap<Principal, string>();

/** All that is known of a principal. Undefined for nobody, whose answers are nobody's, and for who cannot be written down. */
function factsOf(who: Principal): string | undefined {
  if (who.id === "") return undefined;
  let known = facts.get(who);
  if (known === undefined) {
    const { method = "", scopes = [], roles = [], claims = {} } = who;
    const lasting = Object.entries(claims).filter(([name]) => !ofTheToken.has(name));
    try {
      known = JSON.stringify([method, scopes.toSorted(), roles.toSorted(), lasting]);
    } catch {
      return undefined; // circles, big integers
    }
    facts.set(who, known);
  }
  return known;
}

/** Who asks, and from where. */
const personal: ReadonlySet<symbol> = new Set([principal.id, sessionId.id, clientAddress.id, peer.id]);

/** What the handler gets to see: nothing but what the answer is kept by, so that nothing else can get into it. */
function impersonal(request: UnaryRequest, { headers, isPublic }: Rule): UnaryRequest {
  const header = new Headers();
  for (const name of headers) {
    const value = request.header.get(name);
    if (value !== null) header.set(name, value);
  }
  return { ...request, header, contextValues: isPublic ? asNobody(request.contextValues) : request.contextValues };
}

function asNobody(values: ContextValues): ContextValues {
  return overlaid(values, (key) => (personal.has(key.id) ? key.defaultValue : values.get(key)));
}

// ---- what is answered

/** For how long others may get it; the handler may say less than the rule, in Cache-Control and Vary, and by setting a cookie. */
function goodFor({ header }: UnaryResponse, rule: Rule): number {
  const said = readCacheControl(header.get("cache-control"));
  if (!said.keeps || (said.isPrivate && rule.isPublic) || header.has("set-cookie")) return 0;
  const vary = (header.get("vary") ?? "").split(",").map((name) => name.trim().toLowerCase());
  if (vary.some((name) => name !== "" && !rule.headers.includes(name))) return 0;
  return Math.min(rule.maxAgeMs, said.maxAgeMs);
}

/** Tells browsers and proxies, and the client's own cache. */
function tell({ header, contextValues }: UnaryRequest, response: UnaryResponse, leftMs: number, rule: Rule): void {
  // Who shows nothing and is let in shows that everybody is; what a proxy keeps it gives to everybody. That the schema says so is not enough: a rule may say more.
  const isPublic =
    rule.isPublic && contextValues.get(principal).id === "" && !header.has("authorization") && !header.has("cookie");
  response.header.set("cache-control", writeCacheControl(leftMs, isPublic));
  const vary = isPublic ? rule.headers : [...rule.headers, "authorization", "cookie"];
  if (vary.length > 0) response.header.set("vary", [...new Set(vary)].join(", "));
}

// ---- what is forgotten

/** Throws `option_invalid`. */
function matcherOf({
  channel: name,
  request,
  principal: id,
}: Dropped): (running: Running) => (question: Question) => boolean {
  const ofChannel = name === undefined ? () => true : askedOf(name);
  if (request !== undefined && (name === undefined || name.endsWith("/*")))
    throw fail("option_invalid", {
      part: "cache",
      option: "drop",
      value: `a request of ${name ?? "no channel"}`,
      expected: `a request with its channel, "package.Service/Method"`,
    });
  return ({ channels }) => {
    const channel = channels.get(`/${name}`);
    if (request !== undefined && channel === undefined) return () => false; // it is not cached here
    const text = request && requestText(channel!, create(channel!.desc.input, request as never));
    return (question) =>
      (id === undefined || question.principal === id) &&
      ofChannel(question) &&
      (text === undefined || question.key.slice(question.requestAt) === text);
  };
}

// ---- options

function checkSettings(channels: CacheOptions["channels"]): void {
  checkChannelNames("cache", "channels", Object.keys(channels ?? {}));
  for (const [name, setting] of Object.entries(channels ?? {})) {
    const { scope, headers = [], by, ...rest } = setting;
    const wrong = (what: string, value: unknown, expected: string): Error =>
      fail("option_invalid", { part: "cache", option: `channels["${name}"].${what}`, value: String(value), expected });
    resolveOptions(`cache, channels["${name}"]`, { maxAgeMs: cacheOptions.maxAgeMs }, rest);
    if (scope !== undefined && scope !== "private" && scope !== "public")
      throw wrong("scope", scope, `"private" or "public"`);
    if (by !== undefined && typeof by !== "function") throw wrong("by", by, "a function");
    for (const header of headers)
      if (!/^[\w!#$%&'*+.^`|~-]+$/.test(header)) throw wrong("headers", JSON.stringify(header), "names of headers");
  }
}
