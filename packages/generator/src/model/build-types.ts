// From descriptors to the declarations of messages and enums in the model.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type FileRegistry,
  ScalarType,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import type {
  EnumDeclaration,
  FieldModel,
  FieldType,
  FileModel,
  MessageDeclaration,
  OneofModel,
  Scalar,
  TypeModel,
} from "@raceway/core/target";
import { compareText } from "../diagnostic.ts";
import { fileOf, pathOf } from "../place.ts";
import { commentAt, commentOf } from "./comments.ts";
import { fieldRules } from "./options.ts";

export interface Declarations {
  readonly messages: readonly MessageDeclaration[];
  readonly enums: readonly EnumDeclaration[];
}

// Field numbers of descriptor.proto, as in place.ts.
const MESSAGE_ONEOF = 8;
const ENUM_VALUE = 2;

/** What the files declare, and what of the files beside them can be reached from there. */
export function declarationsOf(
  registry: FileRegistry,
  files: readonly FileModel[],
  typeModel: (desc: DescMessage | DescEnum) => TypeModel,
): Declarations {
  const messages = new Set<DescMessage>();
  const enums = new Set<DescEnum>();
  for (const { path } of files) {
    for (const desc of nestedTypes(registry.getFile(path)!)) {
      if (desc.kind === "message") addMessage(desc);
      else if (desc.kind === "enum") enums.add(desc);
    }
  }
  for (const channel of files.flatMap((file) => file.services).flatMap((service) => service.channels))
    for (const { typeName } of [
      channel.request,
      channel.response,
      ...channel.errors.flatMap(({ detail }) => detail ?? []),
    ])
      addMessage(registry.getMessage(typeName)!);
  return {
    messages: byName([...messages].map((message) => messageDeclaration(message, typeModel(message)))),
    enums: byName([...enums].map((one) => enumDeclaration(one, typeModel(one)))),
  };

  function addMessage(message: DescMessage): void {
    const waiting = [message];
    for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
      if (next.proto.options?.mapEntry === true || messages.has(next)) continue;
      messages.add(next);
      for (const field of next.fields) {
        if (field.enum !== undefined) enums.add(field.enum);
        if (field.message !== undefined) waiting.push(field.message);
      }
    }
  }
}

function messageDeclaration(message: DescMessage, type: TypeModel): MessageDeclaration {
  return {
    ...type,
    name: nameIn(message),
    comment: commentOf(message),
    deprecated: message.deprecated,
    fields: message.fields.map(fieldModel),
    oneofs: message.oneofs.map(oneofModel),
    extensible: message.proto.extensionRange.length > 0,
  };
}

function fieldModel(field: DescField): FieldModel {
  return {
    name: field.name,
    property: field.localName,
    jsonName: field.jsonName,
    number: field.number,
    type: typeOf(field),
    cardinality: field.fieldKind === "list" || field.fieldKind === "map" ? field.fieldKind : "single",
    ...(field.fieldKind === "map" && { key: scalarName(field.mapKey) }),
    presence: presences[field.presence] ?? "implicit",
    ...(field.oneof !== undefined && { oneof: field.oneof.name }),
    sensitive: fieldRules(field).sensitive === true,
    comment: commentOf(field),
    deprecated: field.deprecated,
  };
}

function typeOf(field: DescField): FieldType {
  if (field.message !== undefined) return { kind: "message", typeName: field.message.typeName };
  if (field.enum !== undefined) return { kind: "enum", typeName: field.enum.typeName };
  return { kind: "scalar", scalar: scalarName(field.scalar) };
}

const presences: { readonly [presence: number]: FieldModel["presence"] } = {
  [FeatureSet_FieldPresence.EXPLICIT]: "explicit",
  [FeatureSet_FieldPresence.LEGACY_REQUIRED]: "required",
};

function scalarName(scalar: ScalarType): Scalar {
  return ScalarType[scalar].toLowerCase() as Scalar;
}

function oneofModel(oneof: DescOneof): OneofModel {
  const at = oneof.parent.proto.oneofDecl.indexOf(oneof.proto);
  return {
    name: oneof.name,
    property: oneof.localName,
    comment: commentAt(fileOf(oneof.parent), [...pathOf(oneof.parent), MESSAGE_ONEOF, at]),
  };
}

function enumDeclaration(one: DescEnum, type: TypeModel): EnumDeclaration {
  return {
    ...type,
    name: nameIn(one),
    open: one.open,
    comment: commentOf(one),
    deprecated: one.deprecated,
    values: one.values.map((value, at) => ({
      name: value.name,
      number: value.number,
      comment: commentAt(fileOf(one), [...pathOf(one), ENUM_VALUE, at]),
      deprecated: value.deprecated,
    })),
  };
}

function nameIn({ file, typeName }: DescMessage | DescEnum): string {
  return file.proto.package === "" ? typeName : typeName.slice(file.proto.package.length + 1);
}

function byName<T extends TypeModel>(list: readonly T[]): readonly T[] {
  return list.toSorted((a, b) => compareText(a.typeName, b.typeName));
}
