// The channel model: what targets are made from. Plain data that can be written as JSON; `docs/generator/model.md` explains it.
import type { ChannelContract, ChannelPolicy } from "./channel.ts";

/** Counted up by a change that breaks targets; what is only added leaves it as it is. */
export const MODEL_VERSION = 1;

export interface Model {
  readonly version: typeof MODEL_VERSION;
  /** Sorted by path. */
  readonly files: readonly FileModel[];
  /** All messages of these files, and of the well-known files that they reach; sorted by type name, without the entries of maps. */
  readonly messages: readonly MessageDeclaration[];
  /** The same of enums. */
  readonly enums: readonly EnumDeclaration[];
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
  /** Errors that its handler may give on purpose; empty for none. */
  readonly errors: readonly ErrorModel[];
  /** The same; for servers only. Absent: there is none. */
  readonly policy?: ChannelPolicy;
  /** The request's fields in the address, in its order; empty for none. */
  readonly key: readonly KeyField[];
  readonly comment: readonly string[];
  readonly deprecated: boolean;
}

/** A declared error. */
export interface ErrorModel {
  /** `google.rpc.ErrorInfo.reason`: "ROOM_FULL". */
  readonly reason: string;
  /** `google.rpc.ErrorInfo.domain`: full name of the service. */
  readonly domain: string;
  /** In TypeScript, "roomFull": different in all errors of a channel. */
  readonly property: string;
  /** As Connect writes it, "resource_exhausted". */
  readonly code: string;
  /** What people are told; the reason if the schema says nothing. */
  readonly message: string;
  /** The message of facts that comes along. */
  readonly detail?: MessageModel;
}

export interface KeyField {
  /** Name in TypeScript. */
  readonly property: string;
  /** The property can be undefined in a message. */
  readonly optional: boolean;
}

/** Where a type is, and how generated code imports it. */
export interface TypeModel {
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

/** A message as a channel, or an error of it, names it. */
export type MessageModel = TypeModel;

/** A message as a schema declares it. */
export interface MessageDeclaration extends TypeModel {
  /** Without its package: "SayRequest", "Outer.Inner". */
  readonly name: string;
  readonly comment: readonly string[];
  readonly deprecated: boolean;
  readonly fields: readonly FieldModel[];
  readonly oneofs: readonly OneofModel[];
  /** Extensions may add fields to it. */
  readonly extensible: boolean;
}

export interface FieldModel {
  /** As in the schema, "event_id". */
  readonly name: string;
  /** In TypeScript, "eventId". */
  readonly property: string;
  /** In JSON, "eventId" unless the schema says otherwise. */
  readonly jsonName: string;
  readonly number: number;
  /** Of the elements of a list, and of the values of a map. */
  readonly type: FieldType;
  readonly cardinality: "single" | "list" | "map";
  /** Of a map: the type of its keys. */
  readonly key?: Scalar;
  /**
   * "implicit": the zero value is the same as none. "explicit": whether it is there is known; so are all messages and members of a
   * oneof. "required": a message without it is refused. Lists and maps are implicit.
   */
  readonly presence: "implicit" | "explicit" | "required";
  /** Name of the oneof that it is a member of. */
  readonly oneof?: string;
  /** Not for logs and traces. */
  readonly sensitive: boolean;
  readonly comment: readonly string[];
  readonly deprecated: boolean;
}

export type FieldType =
  | { readonly kind: "scalar"; readonly scalar: Scalar }
  | { readonly kind: "message" | "enum"; readonly typeName: string };

/** Names of protobuf. */
export type Scalar =
  | "double"
  | "float"
  | "int64"
  | "uint64"
  | "int32"
  | "fixed64"
  | "fixed32"
  | "bool"
  | "string"
  | "bytes"
  | "uint32"
  | "sfixed32"
  | "sfixed64"
  | "sint32"
  | "sint64";

export interface OneofModel {
  /** As in the schema. */
  readonly name: string;
  /** In TypeScript. */
  readonly property: string;
  readonly comment: readonly string[];
}

export interface EnumDeclaration extends TypeModel {
  /** Without its package. */
  readonly name: string;
  /** Values that the schema does not name are kept, as numbers. */
  readonly open: boolean;
  readonly comment: readonly string[];
  readonly deprecated: boolean;
  readonly values: readonly EnumValueModel[];
}

export interface EnumValueModel {
  /** As in the schema, "KIND_A". Several may have one number; the first is the one that is written. */
  readonly name: string;
  readonly number: number;
  readonly comment: readonly string[];
  readonly deprecated: boolean;
}
