// The middleware plugin: its stations, and what it gets to see.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { ConnectError, ContextKey, ContextValues, Interceptor } from "@connectrpc/connect";
import type { ChannelContract, ChannelPolicy } from "./channel.ts";
import type { Peer } from "./link.ts";
import { CONTRACT, type Host, type Part } from "./part.ts";

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
}

export interface Plugin extends Part {
  /** Context keys that it sets. Who provides runs before who requires. */
  readonly provides?: readonly AnyKey[];
  /** Context keys that it reads; starting fails if no plugin provides one. */
  readonly requires?: readonly AnyKey[];
  /** Names of plugins to run before, if they are there; the last resort. */
  readonly before?: readonly string[];
  /** Names of plugins to run after, if they are there; the last resort. */
  readonly after?: readonly string[];
  /** Once per host; all state lives in what it returns. */
  start(host: Host): Stations | Promise<Stations>;
}

/** Where a plugin takes part. All optional; what is absent costs nothing. Disposed in reverse order of start. */
export interface Stations extends Partial<AsyncDisposable> {
  /** Client: what the next `Hello` carries, and each refresh. */
  introduce?(introduction: Introduction): void | Promise<void>;
  /** Server: admits or throws. Every way in comes here: open, resume, switch, refresh, and each native request. */
  session?(opening: Opening): void | Promise<void>;
  /** Asked once per channel; undefined is "not on this one". */
  call?(channel: ChannelInfo): Interceptor | undefined;
  /** Asked once per topic channel; undefined is "not on this one". Server only. */
  topic?(channel: ChannelInfo): TopicGate | undefined;
}

export interface Introduction {
  readonly kind: "open" | "resume" | "refresh";
  /** Sent as `Hello.credential`. */
  credential: string;
  /** Sent as metadata of the session. */
  readonly headers: Headers;
}

export interface Opening {
  readonly kind: "open" | "resume" | "refresh" | "native";
  readonly peer: Peer;
  readonly transport: string;
  /** What introduced the client: `Hello.credential`, or the `Authorization` header of a native request. */
  readonly credential: string | undefined;
  readonly headers: Headers;
  /** Lives as long as the session; calls inherit it. */
  readonly context: ContextValues;
  /** Aborted when the session is over. */
  readonly ended: AbortSignal;
  /** Ends the session, for example when the credential expires. */
  end(error: ConnectError): void;
}

/** Gates of a topic; each throws to refuse. */
export interface TopicGate {
  /** Once per subscription, and again on each resume; never per delivery. `key` is the request's fields by name. */
  subscribe?(address: string, context: ContextValues): void | Promise<void>;
  /** Once per publication. `payload` is the message. */
  publish?(address: string, message: unknown): void | Promise<void>;
}

/** A list of plugins, in which falsy and nested entries are fine: presets are arrays. */
export type PluginList = readonly (Plugin | PluginList | false | null | undefined)[];

/** Names a plugin's type at its definition, and fills in the contract number. */
export function definePlugin(plugin: Omit<Plugin, "contract">): Plugin {
  return { ...plugin, contract: CONTRACT };
}
