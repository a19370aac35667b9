// Channels as generated code describes them: the contract both sides know, and the policy that only servers know.
import type { DescService } from "@bufbuild/protobuf";
import type { ErrorDeclarations } from "./declared-errors.ts";

/** What a channel means. The shape of the rpc says who streams; the kind says what it is. */
export type ChannelKind = "call" | "feed" | "topic" | "state" | "queue" | "duplex" | "signal";

/** What a topic keeps. Unset: the server's limits. */
export interface HistoryContract {
  readonly maxEvents?: number;
  readonly maxBytes?: number;
  readonly maxAgeMs?: number;
}
/** Only the newest message per key is worth sending. */
export interface ConflationContract {
  /** Field of the message (its name in TypeScript) whose value is the key; undefined: all messages have the same key. */
  readonly key?: string;
  readonly intervalMs?: number;
}

/** An answer may be given again to whoever asks the same. */
export interface CacheContract {
  /** For so long. */
  readonly maxAgeMs: number;
  /** "private": to its own principal only. "public": to all who may make the call. */
  readonly scope: "private" | "public";
}

/** What clients may know of a channel; a constant in the generated `*.contract.ts`. */
export interface ChannelContract {
  readonly kind: ChannelKind;
  /** Topics, states and queues: template such as "rooms/{room}/messages"; braces name fields of the request (as in the schema). */
  readonly address?: string;
  /** The fields in `address`, by their names in TypeScript, in order. */
  readonly addressFields?: readonly string[];
  readonly history?: HistoryContract;
  readonly conflation?: ConflationContract;
  /** From `idempotency_level`: may be sent again after a lost reply. */
  readonly idempotency?: "idempotent" | "no-side-effects";
  readonly timeoutMs?: number;
  readonly maxRetries?: number;
  /** Unary calls without side effects only. */
  readonly cache?: CacheContract;
  readonly maxMessageBytes?: number;
  readonly window?: { readonly messages?: number; readonly bytes?: number };
  readonly transports?: {
    readonly allow?: readonly string[];
    readonly prefer?: readonly string[];
    readonly deny?: readonly string[];
  };
}

/** What only servers know of a channel; a constant in the generated `*.server.ts`, never in a client. */
export interface ChannelPolicy {
  readonly auth?:
    | { readonly public: true }
    | {
        readonly require: {
          readonly scopes?: readonly string[];
          readonly roles?: readonly string[];
          readonly methods?: readonly string[];
          readonly policy?: string;
          readonly match?: "all" | "any";
        };
      };
  readonly rateLimits?: readonly {
    readonly limit: number;
    readonly windowMs: number;
    readonly scope?: "session" | "principal" | "address" | "channel";
    readonly burst?: number;
  }[];
  readonly maxSubscribers?: number;
  readonly maxConcurrent?: number;
  readonly audit?: string;
}

/** The channels of one service, as both sides know them. Keys of `channels` are the method names of the service's descriptor (`localName`). */
export interface ServiceContract<S extends DescService = DescService> {
  readonly service: S;
  readonly channels: { readonly [method: string]: ChannelContract };
  /** Of the channels that declare some. */
  readonly errors?: { readonly [method: string]: ErrorDeclarations };
}

/** What `app.serve` takes: made by generated `*.server.ts`. `H` is the handlers, `P` the publishers that it returns; both are types only. */
export interface ServiceDefinition<H extends object = object, P extends object = object> {
  readonly contract: ServiceContract;
  readonly policy: { readonly [method: string]: ChannelPolicy };
  /** Never there at run time. */
  readonly "~types"?: { readonly handlers: H; readonly publishers: P };
}

/** Contract of a method without options: the shape alone. */
export function defaultKind(
  methodKind: "unary" | "server_streaming" | "client_streaming" | "bidi_streaming",
): ChannelKind {
  switch (methodKind) {
    case "unary":
    case "client_streaming":
      return "call";
    case "server_streaming":
      return "feed";
    case "bidi_streaming":
      return "duplex";
  }
}
