// A served channel: what its handler, codecs and middleware come to, decided once.
import type { DescMethod } from "@bufbuild/protobuf";
import type { Interceptor } from "@connectrpc/connect";
import {
  type AddressOf,
  type BatchWindow,
  type ChannelContract,
  type ChannelInfo,
  type ChannelPolicy,
  type Codec,
  type ErrorDeclarations,
  type TopicGate,
  failOf,
} from "@raceway/core";

/** A user's handler, whatever its shape. */
export type AnyHandler = (request: never, context: never) => unknown;

/** The two sides of a payload in one codec. */
export interface Coding {
  /** Reads requests. */
  decode(payload: Uint8Array): unknown;
  /** Writes responses or events. */
  encode(message: unknown): Uint8Array;
}

/** A channel as it is served, with the errors that its schema declares. */
export interface ServedChannel extends ChannelInfo {
  readonly errors: ErrorDeclarations | undefined;
}

export class Channel implements ServedChannel {
  readonly path: string;
  readonly desc: DescMethod;
  readonly contract: ChannelContract;
  readonly policy: ChannelPolicy | undefined;
  /** Topics need none. Of a channel with idempotency keys, wrapped at start. */
  handler: AnyHandler | undefined;
  /** Topics only. */
  readonly addressOf: AddressOf | undefined;
  readonly errors: ErrorDeclarations | undefined;
  /** The `fail` of its handlers. */
  readonly fail: object;
  /** Set at start: nothing if no plugin takes part. */
  interceptor: Interceptor | undefined;
  gate: TopicGate | undefined;
  window: BatchWindow | undefined;
  readonly #codings = new Map<string, Coding>();

  constructor(
    desc: DescMethod,
    contract: ChannelContract,
    policy: ChannelPolicy | undefined,
    handler: AnyHandler | undefined,
    addressOf: AddressOf | undefined,
    errors: ErrorDeclarations | undefined,
  ) {
    this.path = `/${desc.parent.typeName}/${desc.name}`;
    this.desc = desc;
    this.contract = contract;
    this.policy = policy;
    this.handler = handler;
    this.addressOf = addressOf;
    this.errors = errors;
    this.fail = failOf(errors ?? {});
  }

  get gated(): boolean {
    return this.contract.kind === "topic" && this.handler === undefined;
  }
  get service(): DescMethod["parent"] {
    return this.desc.parent;
  }

  /** Prepared once per codec. */
  coding(codec: Codec): Coding {
    let coding = this.#codings.get(codec.name);
    if (coding === undefined) {
      const input = codec.of(this.desc.input);
      const output = codec.of(this.desc.output);
      coding = { decode: (payload) => input.decode(payload), encode: (message) => output.encode(message as never) };
      this.#codings.set(codec.name, coding);
    }
    return coding;
  }
}
