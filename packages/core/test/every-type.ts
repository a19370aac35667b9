// Message types that have a field of every type and shape that protobuf knows, made from descriptors, and arbitrary values for any type.
import { type DescField, type DescMessage, ScalarType, create, createFileRegistry } from "@bufbuild/protobuf";
import {
  AnySchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
  type FieldDescriptorProto,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  StructSchema,
  StringValueSchema,
  TimestampSchema,
} from "@bufbuild/protobuf/wkt";
import * as fc from "fast-check";

const scalars = [
  Type.DOUBLE,
  Type.FLOAT,
  Type.INT64,
  Type.UINT64,
  Type.INT32,
  Type.FIXED64,
  Type.FIXED32,
  Type.BOOL,
  Type.STRING,
  Type.BYTES,
  Type.UINT32,
  Type.SFIXED32,
  Type.SFIXED64,
  Type.SINT32,
  Type.SINT64,
];
const keys = scalars.filter((type) => ![Type.DOUBLE, Type.FLOAT, Type.BYTES].includes(type));
const references = [
  ".test.Every",
  ".test.Color",
  ".google.protobuf.Struct",
  ".google.protobuf.Value",
  ".google.protobuf.Any",
  ".google.protobuf.Timestamp",
  ".google.protobuf.StringValue",
  ".google.protobuf.BytesValue",
  ".google.protobuf.Int64Value",
  ".google.protobuf.BoolValue",
];

type Init = {
  readonly name: string;
  readonly type: Type;
  readonly typeName?: string;
  readonly label?: Label;
} & Partial<FieldDescriptorProto>;

function every(): DescMessage {
  const fields: Init[] = [];
  const nested: object[] = [];
  const oneofs = [{ name: "choice" }];
  const kindOf = (reference: string): Type => (reference === ".test.Color" ? Type.ENUM : Type.MESSAGE);
  const types: { readonly name: string; readonly type: Type; readonly typeName?: string }[] = [
    ...scalars.map((type) => ({ name: Type[type].toLowerCase(), type })),
    ...references.map((typeName) => ({
      name: `of_${typeName.split(".").at(-1)!.toLowerCase()}`,
      type: kindOf(typeName),
      typeName,
    })),
  ];
  const map = (name: string, key: Type, value: { readonly type: Type; readonly typeName?: string }): void => {
    const entry = `${name.replace(/(^|_)([a-z0-9])/g, (_, __, letter: string) => letter.toUpperCase())}Entry`;
    nested.push({
      name: entry,
      options: { mapEntry: true },
      field: [
        { name: "key", number: 1, type: key, label: Label.OPTIONAL },
        { name: "value", number: 2, label: Label.OPTIONAL, ...value },
      ],
    });
    fields.push({ name, type: Type.MESSAGE, typeName: `.test.Every.${entry}`, label: Label.REPEATED });
  };
  for (const { name, ...type } of types) {
    fields.push({ name: `s_${name}`, ...type });
    fields.push({ name: `o_${name}`, ...type, proto3Optional: true });
    fields.push({ name: `c_${name}`, ...type, oneofIndex: 0 });
    fields.push({ name: `r_${name}`, ...type, label: Label.REPEATED });
    if (![Type.STRING, Type.BYTES, Type.MESSAGE].includes(type.type))
      fields.push({ name: `u_${name}`, ...type, label: Label.REPEATED, options: { packed: false } as never });
    map(`m_${name}`, Type.STRING, type);
  }
  for (const key of keys) map(`k_${Type[key].toLowerCase()}`, key, { type: Type.STRING });
  const field = fields.map(({ proto3Optional, ...init }, index) => {
    if (proto3Optional) oneofs.push({ name: `_${init.name}` });
    return {
      label: Label.OPTIONAL,
      jsonName: init.name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
      ...init,
      // Not in order, and of all sizes.
      number: index % 3 === 0 ? 20_000 - index : index + 1,
      ...(proto3Optional && { proto3Optional: true, oneofIndex: oneofs.length - 1 }),
    };
  });
  const file = create(FileDescriptorProtoSchema, {
    name: "every.proto",
    package: "test",
    syntax: "proto3",
    dependency: [StructSchema, AnySchema, TimestampSchema, StringValueSchema].map(({ file: { proto } }) => proto.name),
    enumType: [
      {
        name: "Color",
        value: [
          { name: "RED", number: 0 },
          { name: "BLUE", number: 5 },
          { name: "NONE", number: -1 },
        ],
      },
    ],
    messageType: [{ name: "Every", field, nestedType: nested, oneofDecl: oneofs }] as never,
  });
  return createFileRegistry(file, resolve).getMessage("test.Every")!;
}

function old(): DescMessage {
  const field = (number: number, init: Init): object => ({ number, label: Label.OPTIONAL, ...init });
  const file = create(FileDescriptorProtoSchema, {
    name: "old.proto",
    package: "test",
    syntax: "proto2",
    enumType: [
      {
        name: "Size",
        value: [
          { name: "SMALL", number: 3 },
          { name: "LARGE", number: 4 },
        ],
      },
    ],
    messageType: [
      {
        name: "Old",
        field: [
          field(1, { name: "must", type: Type.STRING, label: Label.REQUIRED }),
          field(2, { name: "number", type: Type.INT32, defaultValue: "7" }),
          field(3, { name: "text", type: Type.STRING, defaultValue: "seven" }),
          field(4, { name: "raw", type: Type.BYTES, defaultValue: "x" }),
          field(5, { name: "size", type: Type.ENUM, typeName: ".test.Size", defaultValue: "LARGE" }),
          field(6, { name: "flag", type: Type.BOOL, defaultValue: "true" }),
          field(7, { name: "numbers", type: Type.INT32, label: Label.REPEATED }),
          field(8, { name: "packed", type: Type.INT32, label: Label.REPEATED, options: { packed: true } as never }),
          field(9, { name: "older", type: Type.MESSAGE, typeName: ".test.Old" }),
          field(10, { name: "group", type: Type.GROUP, typeName: ".test.Old.Group" }),
          field(11, { name: "groups", type: Type.GROUP, typeName: ".test.Old.Group", label: Label.REPEATED }),
        ],
        nestedType: [
          {
            name: "Group",
            field: [
              field(1, { name: "id", type: Type.SINT64 }),
              field(2, { name: "group", type: Type.GROUP, typeName: ".test.Old.Group" }),
            ],
          },
        ],
        extensionRange: [{ start: 100, end: 200 }],
      },
      {
        name: "Mild",
        field: [
          field(1, { name: "group", type: Type.GROUP, typeName: ".test.Old.Group" }),
          field(2, { name: "number", type: Type.INT32, defaultValue: "7" }),
        ],
      },
    ] as never,
  });
  const registry = createFileRegistry(file, resolve);
  mild = registry.getMessage("test.Mild")!;
  return registry.getMessage("test.Old")!;
}

function resolve(name: string): (typeof StructSchema)["file"]["proto"] | undefined {
  return [StructSchema, AnySchema, TimestampSchema, StringValueSchema]
    .map(({ file: { proto } }) => proto)
    .find((proto) => proto.name === name);
}

let mild: DescMessage;
/** Proto3: each type as a singular, optional, repeated, packed, chosen and mapped field. */
export const everyDesc: DescMessage = every();
/** Proto2: defaults, required, closed enums, groups. */
export const oldDesc: DescMessage = old();
/** Proto2 with a group, but nothing required. */
export const mildDesc: DescMessage = mild!;
export { FieldDescriptorProtoSchema };

const int32 = fc.oneof(
  fc.integer({ min: -300, max: 300 }),
  fc.integer(),
  fc.constantFrom(0, -1, 127, 128, -0x8000_0000, 0x7fff_ffff),
);
const uint32 = fc.oneof(fc.nat(300), fc.nat(0xffff_ffff), fc.constantFrom(0, 0xffff_ffff));
const int64 = fc.oneof(
  fc.bigInt(-300n, 300n),
  fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n),
  fc.constantFrom(0n, 2n ** 53n, -(2n ** 53n), -1n),
);
const uint64 = fc.oneof(
  fc.bigInt(0n, 300n),
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.constantFrom(0n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 63n),
);
const string = fc.oneof(
  fc.string(),
  fc.string({ unit: "grapheme" }),
  fc.constantFrom("", "x".repeat(48), "x".repeat(49), "é".repeat(70), "x".repeat(130), "\ud800", "ü".repeat(9_000)),
);

/** Any value of a scalar type. */
export function scalarArbitrary(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.STRING:
      return string;
    case ScalarType.BYTES:
      return fc.oneof(fc.uint8Array(), fc.constant(new Uint8Array(0)), fc.constant(new Uint8Array(9_000).fill(3)));
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.DOUBLE:
      return fc.oneof(fc.double(), fc.constantFrom(0, -0, Number.NaN, Infinity));
    case ScalarType.FLOAT:
      return fc.oneof(fc.float(), fc.constantFrom(0, -0, Number.NaN, -Infinity, 0.1));
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return int32;
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return uint32;
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return int64;
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return uint64;
  }
}

const json = fc.dictionary(
  fc.string(),
  fc.oneof(
    fc.string(),
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.boolean(),
    fc.constant(null),
    fc.constant([1, { a: null }]),
  ),
  { maxKeys: 3 },
);

function valueArbitrary(field: DescField, depth: number): fc.Arbitrary<unknown> {
  if (field.message?.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value")
    return json;
  if (field.message) {
    if (
      field.fieldKind === "message" &&
      !field.oneof &&
      field.message.typeName.startsWith("google.protobuf.") &&
      field.message.typeName.endsWith("Value") &&
      field.message.fields.length === 1 &&
      field.message.typeName !== "google.protobuf.ListValue"
    ) {
      return valueArbitrary(field.message.fields[0]!, depth);
    }
    return messageArbitrary(field.message, depth - 1);
  }
  if (field.enum)
    return field.enum.open
      ? fc.oneof(fc.constantFrom(...field.enum.values.map(({ number }) => number)), int32)
      : fc.constantFrom(...field.enum.values.map(({ number }) => number));
  return scalarArbitrary((field as { readonly scalar: ScalarType }).scalar);
}

/** Initializers of any message type, some of their messages made, a few fields at a time. */
export function messageArbitrary(desc: DescMessage, depth = 3): fc.Arbitrary<object> {
  const required = desc.fields.filter(({ presence }) => presence === 3);
  const usable = desc.fields.filter((field) => !required.includes(field) && (depth > 0 || !field.message));
  return fc.subarray(usable, { maxLength: Math.min(usable.length, depth === 3 ? 12 : 4) }).chain((fields) =>
    fc
      .tuple(
        ...[...required, ...fields].map((field) => {
          const value = valueArbitrary(field, depth);
          if (field.fieldKind === "list") return fc.array(value, { maxLength: 4 });
          if (field.fieldKind === "map")
            return fc.dictionary(scalarArbitrary(field.mapKey).map(String), value, { maxKeys: 3 });
          return field.oneof ? value.map((chosen) => ({ case: field.localName, value: chosen })) : value;
        }),
        fc.boolean(),
      )
      .map((values) => {
        const made = values.pop();
        const init = Object.fromEntries(
          [...required, ...fields].map((field, index) => [field.oneof?.localName ?? field.localName, values[index]]),
        );
        return made ? (create(desc, init) as object) : init;
      }),
  );
}
