// The middleware plugin: its stations, and what it gets to see.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectError, ContextKey, ContextValues, Interceptor } from "@connectrpc/connect";
import type { Compression } from "@connectrpc/connect/protocol";
import type { AttemptHeaders, KeptNote } from "./attempt-headers.ts";
import type { BatchStation } from "./batch-station.ts";
import type { BatchWindow } from "./batch-window.ts";
import type { ByteMeter } from "./byte-meter.ts";
import type { ChannelContract, ChannelPolicy } from "./channel.ts";
import type { Peer } from "./link.ts";
import type { Observer } from "./observer.ts";
import { CONTRACT, type Host, type Part } from "./part.ts";
import type { HttpExchange } from "./transport.ts";

export type AnyKey = ContextKey<never> | ContextKey<any>; // oxlint-disable-line typescript/no-explicit-any -- a list of keys of any value

/** A channel as a plugin sees it, at start. */
export interface ChannelInfo {
  /** "/package.Service/Method". */
  readonly path: string;
  readonly service: DescService;
  readonly desc: DescMethod;
  readonly contract: ChannelContract;
  /** Undefined on a client: policy never ships. */
  readonly policy: ChannelPolicy | undefined;
  /** Server: a topic without a handler of its own. Its subscriptions are asked about at the `topic` gate; what guards calls leaves them alone. */
  readonly gated: boolean;
}

export interface Plugin extends Part {
  /** Context keys that it sets. Who provides runs before who requires. */
  readonly provides?: readonly AnyKey[];
  /** Context keys that it reads; starting fails if no plugin provides one. */
  readonly requires?: readonly AnyKey[];
  /** Parts of the schema's policy that it sees to. What a channel's policy says and no plugin enforces stops the start: a rule that nobody keeps is worse than none. */
  readonly enforces?: readonly EnforcedPolicy[];
  /** Names of plugins to run before, if they are there; the last resort. "*": all that do not ask for the same, nor by name to run before it. */
  readonly before?: readonly string[];
  /** Names of plugins to run after, if they are there; the last resort. "*": all that do not ask for the same, nor by name to run after it. */
  readonly after?: readonly string[];
  /**
   * Can this channel be served, or called, with this plugin? Asked once per channel: when a server starts, before any plugin does; by a client before the first call; by `raceway inspect`.
   * Pure: it looks at the channel, and answers at once.
   */
  check?(channel: ChannelInfo): readonly PluginFinding[];
  /** Once per host; all state lives in what it returns. */
  start(host: Host): Stations | Promise<Stations>;
}

/** What a plugin has to say about a channel. */
export interface PluginFinding {
  /** An error stops a server's start, and fails a client's calls of the channel, with `plugin_unfit`; a warning is told to the log. */
  readonly severity: "error" | "warning";
  /** What is wrong, without plugin, channel and full stop: both are named beside it. */
  readonly message: string;
  /** What to do about it, without capital and full stop. */
  readonly mend: string;
}

/** What a policy may say that plugins keep. */
export type EnforcedPolicy = "auth" | "rateLimits" | "maxSubscribers" | "maxConcurrent" | "audit";

/** Where a plugin takes part. All optional; what is absent costs nothing. Disposed in reverse order of start. */
export interface Stations extends Partial<AsyncDisposable> {
  /** Client: what the next `Hello` carries, and each refresh. */
  introduce?(introduction: Introduction): void | Promise<void>;
  /**
   * Client: a new session begins, the first one or one in place of another; nothing of it has come yet. Calls that are under way may still be answered in the old one. Its
   * principal may be another: what was found out in the old session may not be for this one.
   */
  began?(): void;
  /**
   * Client: the headers of the attempts of a call that an outbox kept over a restart, of which this plugin had left a note (`AttemptHeaders.note`). Such a
   * call passes no interceptor any more. `path` is "/package.Service/Method"; undefined is "this note is not mine".
   */
  kept?(path: string, note: KeptNote): AttemptHeaders | undefined;
  /** Server: admits or throws. Every way in comes here: open, resume, switch, refresh, and each native request, so no check is passed by choosing another. */
  session?(opening: Opening): void | Promise<void>;
  /** Asked once per channel; undefined is "not on this one". */
  call?(channel: ChannelInfo): Interceptor | undefined;
  /** Asked once per topic channel; undefined is "not on this one". Server only. */
  topic?(channel: ChannelInfo): TopicGate | undefined;
  /** Asked once per channel; undefined is "its messages do not wait". Of several plugins the first that answers counts. Made by `batchWindow`. */
  window?(channel: ChannelInfo): BatchWindow | undefined;
  /** The bytes of batches, both ways, on links whose both ends have it. Made by `batchStation`. */
  readonly batch?: BatchStation;
  /** Server: compression of calls at native doors, which agree on it by the headers of their own protocols. Of several plugins the first counts. */
  readonly doors?: DoorCompression;
  /**
   * Server: asked once per link when it has a session, and once per admitted call at a native door; undefined is "not for this one". Of several plugins
   * the first that answers counts. The context is the session's, or the call's.
   */
  meter?(context: ContextValues): ByteMeter | undefined;
  /** Server: is told of links, sessions, refusals, publications and fan-outs. */
  readonly observe?: Observer;
  /**
   * Server: who answers requests to exactly these paths, such as "/metrics", whatever transports there are. No session station is asked: what must not
   * be for everybody is to be guarded by whoever answers. A path that is taken stops the start (`route_taken`).
   */
  readonly routes?: Readonly<Record<string, (exchange: HttpExchange) => void>>;
  /**
   * Server: can it do its part at present? Asked for `/readyz` and gRPC's health service, at most once a second and only while somebody asks them. No,
   * a rejection, or no answer within a second takes the server out of balance, so this is for what no call succeeds without. It must find out for itself
   * when all is well again, for by then there may be no calls to learn it from.
   */
  healthy?(): boolean | Promise<boolean>;
  /** Server: all channels were asked about. Throws to stop the start, as when a rule is for a channel that is not there. */
  ready?(): void;
}

/** Compression as gRPC, gRPC-web and Connect have it: of each message, and of a whole unary answer. */
export interface DoorCompression {
  /** By their names in `grpc-encoding` and `content-encoding`, best first: of what a client takes, the first is used. */
  readonly algorithms: readonly Compression[];
  /** Less is sent as it is, in bytes. */
  readonly minBytes: number;
}

export interface Introduction {
  readonly kind: "open" | "resume" | "refresh";
  /** Sent as `Hello.credential`. */
  credential: string;
  /** Sent as metadata of the session. */
  readonly headers: Headers;
  /**
   * Refresh: what is fresh goes with the request that opens a link, as cookies and certificates do. The session goes on over a new link, and
   * `credential` is not sent over the present one. False at first.
   */
  overNewLink: boolean;
  /** `credential_expired`, if what was shown before is not good any more: a session ended by it, or a Hello was refused. One more refusal is final, so show another. */
  readonly refused?: ConnectError | undefined;
}

/** Somebody comes in, or shows a fresh credential. */
export interface Opening {
  readonly kind: "open" | "resume" | "refresh" | "native";
  readonly peer: Peer;
  readonly transport: string;
  /** What introduced the client: `Hello.credential`, or the `Authorization` header of a native request; undefined if there was none. */
  readonly credential: string | undefined;
  /** Of the Hello, or of the native request. */
  readonly headers: Headers;
  /**
   * What is set here is what calls find in their context from now on, in place of what an earlier opening of the session set. Empty at first, even
   * on resume and refresh: everything is found out anew. A principal other than the session's is refused.
   */
  readonly context: ContextValues;
  /** Aborted when the session is over, or never came to be; at a native door when the call is. */
  readonly ended: AbortSignal;
  /** It was admitted, and no later one took its place: what is found out about its credential still matters. */
  readonly current: boolean;
  /**
   * The credential is good for so long, in milliseconds from now. Then the session (at a native door: the call) ends with `credential_expired`,
   * unless it has shown a fresh one; clients are told, and do so before. Of several, the shortest counts.
   */
  expiresIn(ms: number): void;
  /**
   * Ends the session (at a native door: the call) now, whatever is under way, as when the credential was revoked. Before it was admitted: refuses it. After
   * a later opening took its place: nothing.
   */
  end(error: ConnectError): void;
}

/** Gates of a topic; each throws to refuse. */
export interface TopicGate {
  /**
   * Once per subscription, and again when who it is for may have changed: when its session comes over another link, and when it shows a fresh
   * credential. Refused then, the subscription ends, and nothing else. Never asked per delivery.
   */
  subscribe?(asked: TopicSubscription): void | Promise<void>;
  /** Once per publication, before it is appended. */
  publish?(asked: TopicPublication): void | Promise<void>;
  /** Once per publication that all gates let through: what is appended in its place, a message of the same type. Answers at once, and leaves alone what it was given. */
  replace?(asked: TopicPublication): unknown;
}
export interface TopicSubscription {
  readonly kind: "subscribe" | "resume" | "refresh";
  readonly address: string;
  /** The message of the subscribe request. */
  readonly request: unknown;
  readonly context: ContextValues;
  /** Of the request that subscribes. */
  readonly header: Headers;
  /** Aborted when the subscription is over, or was refused. The reason is a `ConnectError` if it ended by one. */
  readonly ended: AbortSignal;
}
export interface TopicPublication {
  readonly address: string;
  /** The fields that name the topic. */
  readonly key: Readonly<Record<string, unknown>>;
  /** The event, or what it is to be made of. */
  readonly message: unknown;
  /** Of the call that publishes, if its handler gave it; undefined: the server itself. */
  readonly context: ContextValues | undefined;
}

/** A list of plugins, in which falsy and nested entries are fine: presets are arrays. */
export type PluginList = readonly (Plugin | PluginList | false | null | undefined)[];

/** Names a plugin's type at its definition, and fills in the contract number. */
export function definePlugin(plugin: Omit<Plugin, "contract">): Plugin {
  return { ...plugin, contract: CONTRACT };
}
