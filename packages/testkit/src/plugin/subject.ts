// A middleware plugin under test: what its author tells the kit.
import type { Code, Interceptor, Transport } from "@connectrpc/connect";
import type {
  ChannelPolicy,
  ClientTransport,
  Clock,
  Inspection,
  Logger,
  PluginList,
  ServerTransport,
  ServiceDefinition,
} from "@raceway/core";

/** The channels of the kit's service: calls (`save` may be sent again, `look` changes nothing), a feed, an upload, a conversation, a topic, and a call that publishes to it. */
export const kitChannels = ["echo", "save", "look", "count", "sum", "talk", "news", "post"] as const;
export type KitChannel = (typeof kitChannels)[number];

/** A server, as the kit uses it: what `raceway()` of @raceway/server returns. */
export interface KitServer {
  readonly sessions: number;
  serve<H extends object, P extends object>(definition: ServiceDefinition<H, P>, handlers: H): P;
  listen(at: { readonly port: number; readonly host: string }): Promise<{ readonly url: string }>;
  fetch(request: Request): Promise<Response>;
  inspect(): Promise<Inspection>;
  close(graceMs: number): Promise<void>;
}

/** A connection, as the kit uses it: what `connect()` of @raceway/client returns. */
export interface KitConnection extends Transport {
  switchTo(transport: string): Promise<void>;
  close(): Promise<void>;
}

/** Who comes: what the kit's clients show, in sessions and at native doors alike. */
export interface KitVisitor {
  /** `Introduction.credential`; at a native door "Authorization: Bearer …". A function is asked each time, as for one that must be fresh. */
  readonly credential?: string | (() => string | Promise<string>);
  /** Headers of the request that opens a link, of the session, and of a native request; names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Network address, where the kit has a say: on memory links and at its own native door. */
  readonly address?: string;
}

/** A way in beside memory links and the native door in process: over the network. */
export interface KitWay {
  /** "websocket", say, or "gRPC door". */
  readonly name: string;
  /** What the server needs for it. */
  server(): ServerTransport;
  /** Sessions over this transport. */
  client?(visitor: KitVisitor): ClientTransport;
  /** A native door: a Connect transport to this URL which sends these headers with each request, and has the subject's interceptors. */
  door?(url: string, headers: Readonly<Record<string, string>>, interceptors: readonly Interceptor[]): Transport;
}

/** One thing that the plugin refuses, or fails calls with, and how it is made to. */
export interface PluginRefusal {
  /** For people, for example "a stranger". */
  readonly what: string;
  /** Channels that are refused; all others are admitted. */
  readonly of: readonly KitChannel[];
  /** Code of the error that the client gets. */
  readonly code: Code;
  /** Its reason, if the plugin's errors have one (`reasonOf`). */
  readonly reason?: string;
  /** So many uses of each channel are admitted before. Default 0. */
  readonly after?: number;
  /** The error says when to come again (`retryAfterMs`). Default false. */
  readonly saysWhen?: boolean;
  /** Plugins, visitor and policy for this one, in place of the subject's. */
  server?(): PluginList;
  client?(): PluginList;
  interceptors?(): readonly Interceptor[];
  readonly visitor?: KitVisitor;
  readonly policy?: Readonly<Partial<Record<KitChannel, ChannelPolicy>>>;
  /** The names of ways (see {@link PluginSubject.ways}, "memory", "native") that have nothing of it; the reason, for people. */
  readonly notBy?: Readonly<Record<string, string>>;
}

/** A plugin under test. Without anything but hosts and lists it is held to be harmless; each fact more lets the kit hold it to more. */
export interface PluginSubject {
  /** Of the plugin, for titles. */
  readonly name: string;
  /** `raceway` of @raceway/server. */
  raceway(options: {
    readonly transports: readonly ServerTransport[];
    readonly use: PluginList;
    readonly clock?: Clock;
    readonly log: Logger;
  }): KitServer;
  /** `connect` of @raceway/client. */
  connect(
    to: string,
    options: {
      readonly transports: readonly ClientTransport[];
      readonly use: PluginList;
      readonly clock?: Clock;
      readonly log: Logger;
      readonly probeMs: number;
    },
  ): KitConnection;
  /** The server's plugins: the one under test, with those that it requires. Called for each server. */
  server?(): PluginList;
  /** The client's. Called for each connection. */
  client?(): PluginList;
  /** What a client without Raceway needs at a native door, if the server's plugin expects something of it: one that signs, say. Called for each client. */
  interceptors?(): readonly Interceptor[];
  /** Somebody who is admitted. Default: nobody in particular. */
  readonly visitor?: KitVisitor;
  /** Policy of the kit's channels. */
  readonly policy?: Readonly<Partial<Record<KitChannel, ChannelPolicy>>>;
  readonly refusals?: readonly PluginRefusal[];
  /** Channels that the plugin named leaves alone: it takes no part in their calls, on the side that it is on. */
  readonly absentFrom?: readonly KitChannel[];
  /** Two servers, or connections, with one and the same plugin share what it counts or knows, on purpose. Default false. */
  readonly shares?: boolean;
  readonly ways?: readonly KitWay[];
  /** How long the kit waits for what should come at once, in milliseconds. Default 5,000. */
  readonly patienceMs?: number;
}
