// The channel model: what targets are made from. Plain data that can be written as JSON; a change that breaks targets of
// others counts `version` up.
import type { ChannelContract, ChannelPolicy } from "@raceway/core";

export const MODEL_VERSION = 1;

export interface Model {
  readonly version: typeof MODEL_VERSION;
  /** Sorted by path. */
  readonly files: readonly FileModel[];
}

export interface FileModel {
  /** Import path, "chat/v1/room.proto". */
  readonly path: string;
  readonly package: string;
  /** False: nobody asked for it, but messages of others need its messages. It has no services here. */
  readonly requested: boolean;
  /** In the order of the schema, as all that follows. */
  readonly services: readonly ServiceModel[];
}

export interface ServiceModel {
  /** "chat.v1.RoomService". */
  readonly typeName: string;
  readonly name: string;
  /** Export of the `_pb` file that describes it. */
  readonly descriptor: string;
  /** Lines of text; empty for none. */
  readonly comment: readonly string[];
  readonly deprecated: boolean;
  readonly channels: readonly ChannelModel[];
}

/** Who streams. */
export type Shape = "unary" | "server_streaming" | "client_streaming" | "bidi_streaming";

export interface ChannelModel {
  /** As in the schema, "Say". */
  readonly name: string;
  /** As a property in TypeScript, "say": key of contract, policy, handlers. */
  readonly localName: string;
  /** "/chat.v1.RoomService/Say". */
  readonly path: string;
  readonly shape: Shape;
  readonly request: MessageModel;
  readonly response: MessageModel;
  /** Method over service over file. */
  readonly contract: ChannelContract;
  /** The same; for servers only. Absent: there is none. */
  readonly policy?: ChannelPolicy;
  /** The request's fields in the address, in its order; empty for none. */
  readonly key: readonly KeyField[];
  readonly comment: readonly string[];
  readonly deprecated: boolean;
}

export interface KeyField {
  /** Name in TypeScript. */
  readonly property: string;
  /** The property can be undefined in a message. */
  readonly optional: boolean;
}

export interface MessageModel {
  /** "chat.v1.SayRequest". */
  readonly typeName: string;
  /** Import path of the file that declares it. */
  readonly file: string;
  /** Well-known types: the module that exports it, in place of a generated file. */
  readonly module?: string;
  /** Export that is its type. */
  readonly type: string;
  /** Export that is its descriptor. */
  readonly schema: string;
}
