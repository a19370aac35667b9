// JSON Schemas (2020-12) of messages and enums, in protobuf's JSON mapping (https://protobuf.dev/programming-guides/json/).
import type {
  EnumDeclaration,
  FieldModel,
  FieldType,
  MessageDeclaration,
  Model,
  OneofModel,
  Scalar,
} from "@raceway/core/target";
import { declaredIn } from "../declared.ts";
import { type Json, jsonObject } from "./json.ts";

type Schema = { readonly [keyword: string]: Json };

export interface SchemaStyle {
  /** Reference to the schema of a type. */
  readonly ref: (typeName: string) => string;
  /** Properties that the schema does not know are refused. The wire ignores them, so that old receivers understand new senders. */
  readonly closed: boolean;
}

/** Schemas of the types, and of all types that these need, by type name and sorted by it. */
export function schemasOf(model: Model, typeNames: Iterable<string>, style: SchemaStyle): Schema {
  const { messages, enums } = declaredIn(model);
  const needed = new Set(typeNames);
  const schemas = new Map<string, Schema>();
  for (const typeName of needed) {
    const message = messages.get(typeName);
    const wellKnown = wellKnownSchemas.get(typeName);
    if (wellKnown !== undefined) schemas.set(typeName, wellKnown);
    else if (message !== undefined) {
      schemas.set(typeName, messageSchema(message, style));
      for (const { type } of message.fields) if (type.kind !== "scalar") needed.add(type.typeName);
    } else schemas.set(typeName, enumSchema(enums.get(typeName)!));
  }
  return jsonObject([...schemas].toSorted(([a], [b]) => (a < b ? -1 : 1)));
}

/** Title and text of a declaration. */
export function described({ comment, deprecated }: Pick<FieldModel, "comment" | "deprecated">): Schema {
  return { ...(comment.length > 0 && { description: comment.join("\n") }), ...(deprecated && { deprecated: true }) };
}

function messageSchema(message: MessageDeclaration, style: SchemaStyle): Schema {
  const required = message.fields.filter(({ presence }) => presence === "required").map(({ jsonName }) => jsonName);
  const oneofs = message.oneofs.map((oneof) => oneofSchema(oneof, message)).filter((one) => one !== undefined);
  return {
    type: "object",
    title: message.name,
    ...described(message),
    properties: jsonObject(message.fields.map((field) => [field.jsonName, fieldSchema(field, style)] as const)),
    ...(required.length > 0 && { required }),
    ...(oneofs.length > 0 && { allOf: oneofs }),
    ...(style.closed && message.extensible && { patternProperties: { "^\\[.+\\]$": {} } }),
    ...(style.closed && { additionalProperties: false }),
  };
}

/** At most one of its members is there. */
function oneofSchema({ name }: OneofModel, message: MessageDeclaration): Schema | undefined {
  const members = message.fields
    .filter(({ oneof }) => oneof === name)
    .map(({ jsonName }) => ({ required: [jsonName] }));
  return members.length < 2 ? undefined : { oneOf: [...members, { not: { anyOf: members } }] };
}

function fieldSchema(field: FieldModel, style: SchemaStyle): Schema {
  const value = valueSchema(field.type, style);
  const schema = ((): Schema => {
    switch (field.cardinality) {
      case "single":
        return value;
      case "list":
        return { type: "array", items: value };
      case "map":
        return { type: "object", ...keySchema(field.key!), additionalProperties: value };
    }
  })();
  return { ...schema, ...described(field) };
}

function valueSchema(type: FieldType, style: SchemaStyle): Schema {
  return type.kind === "scalar" ? scalarSchemas[type.scalar] : { $ref: style.ref(type.typeName) };
}

function keySchema(key: Scalar): Schema {
  if (key === "string") return {};
  return { propertyNames: key === "bool" ? { enum: ["true", "false"] } : { pattern: "^-?[0-9]+$" } };
}

function enumSchema(one: EnumDeclaration): Schema {
  const names = { type: "string", enum: one.values.map(({ name }) => name) };
  const values = one.values.filter(({ comment }) => comment.length > 0);
  const comment = [...one.comment, ...values.map((value) => `- ${value.name}: ${value.comment.join(" ")}`)];
  return {
    title: one.name,
    ...described({ comment, deprecated: one.deprecated }),
    // What the schema does not name is written as its number.
    ...(one.open ? { anyOf: [names, int32] } : names),
  };
}

const int32 = { type: "integer", minimum: -0x8000_0000, maximum: 0x7fff_ffff };
const uint32 = { type: "integer", minimum: 0, maximum: 0xffff_ffff };
// Without loss in JavaScript only as text. The last digits of their ranges would take a pattern of hundreds of characters at each field.
const int64 = { type: "string", pattern: "^-?[0-9]{1,19}$" };
const uint64 = { type: "string", pattern: "^([0-9]{1,19}|1[0-9]{19})$" };
const noNumber = { type: "string", enum: ["NaN", "Infinity", "-Infinity"] };
const double = { anyOf: [{ type: "number" }, noNumber] };
/** The largest float, (2 - 2^-23) * 2^127. */
const FLOAT_MAX = 3.4028234663852886e38;
const float = { anyOf: [{ type: "number", minimum: -FLOAT_MAX, maximum: FLOAT_MAX }, noNumber] };
const bytes = {
  type: "string",
  contentEncoding: "base64",
  pattern: "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}(==)?|[A-Za-z0-9+/]{3}=?)?$",
};

const scalarSchemas: Readonly<Record<Scalar, Schema>> = {
  double,
  float,
  int32,
  sint32: int32,
  sfixed32: int32,
  uint32,
  fixed32: uint32,
  int64,
  sint64: int64,
  sfixed64: int64,
  uint64,
  fixed64: uint64,
  bool: { type: "boolean" },
  string: { type: "string" },
  bytes,
};

/** Types that have a JSON form of their own. */
const wellKnownSchemas: ReadonlyMap<string, Schema> = new Map<string, Schema>(
  Object.entries({
    // One without a type is empty.
    "google.protobuf.Any": {
      type: "object",
      properties: { "@type": { type: "string", minLength: 1 } },
      anyOf: [{ required: ["@type"] }, { maxProperties: 0 }],
    },
    "google.protobuf.Timestamp": {
      type: "string",
      format: "date-time",
      // From 0001-01-01T00:00:00Z to 9999-12-31T23:59:59.999999999Z.
      pattern:
        "^([1-9][0-9]{3}|0[1-9][0-9]{2}|00[1-9][0-9]|000[1-9])-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$",
    },
    // 10,000 years either way: 315,576,000,000 seconds; what is below a second is not counted, by readers neither.
    "google.protobuf.Duration": {
      type: "string",
      pattern:
        "^-?([0-9]{1,11}|[12][0-9]{11}|30[0-9]{10}|31[0-4][0-9]{9}|315[0-4][0-9]{8}|3155[0-6][0-9]{7}|31557[0-5][0-9]{6}|315576000000)(\\.[0-9]{1,9})?s$",
    },
    // Names of fields as JSON has them.
    "google.protobuf.FieldMask": { type: "string", pattern: "^[^_]*$" },
    "google.protobuf.Struct": { type: "object" },
    "google.protobuf.Value": {},
    "google.protobuf.ListValue": { type: "array" },
    "google.protobuf.NullValue": { type: "null" },
    "google.protobuf.DoubleValue": double,
    "google.protobuf.FloatValue": float,
    "google.protobuf.Int32Value": int32,
    "google.protobuf.UInt32Value": uint32,
    "google.protobuf.Int64Value": int64,
    "google.protobuf.UInt64Value": uint64,
    "google.protobuf.BoolValue": { type: "boolean" },
    "google.protobuf.StringValue": { type: "string" },
    "google.protobuf.BytesValue": bytes,
  }),
);
