// Sample messages of any type, made from its descriptor: the same each time, a value in every field.
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  type MessageInitShape,
  type MessageShape,
  ScalarType,
} from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** Messages within messages up to here; deeper ones are left out, since a type may contain itself, but for those without which there is no message. */
const DEPTH = 3;
/** As deep as required ones go: a type that requires itself has no messages. */
const REQUIRED_DEPTH = 50;
/** `google.protobuf.FeatureSet.FieldPresence.LEGACY_REQUIRED`. */
const REQUIRED = 3;
/** 2026-01-01T00:00:00Z, in seconds. */
const NEW_YEAR = 1_767_225_600n;

/**
 * A message with a value in every field, the same each time: "text-1" in a string `text`, 1 in a number; of a oneof the first case. `number` makes
 * others of the type: "text-2", 2. What `fields` has wins. Rules of validation are not looked at: give what they ask for.
 */
export function sample<D extends DescMessage>(desc: D, fields?: MessageInitShape<D>, number = 1): MessageShape<D> {
  return create(desc, { ...initOf(desc, number, DEPTH), ...fields } as MessageInitShape<D>);
}

type Init = Record<string, unknown>;

function initOf(desc: DescMessage, number: number, depth: number): Init {
  const known = wellKnown[desc.typeName];
  if (known !== undefined) return known(number);
  const init: Init = {};
  for (const member of desc.members) {
    if (member.kind === "field") {
      const value = valueOf(member, number, depth);
      if (value !== undefined) init[member.localName] = value;
      continue;
    }
    for (const field of member.fields) {
      const value = valueOf(field, number, depth);
      if (value === undefined) continue; // too deep
      init[member.localName] = { case: field.localName, value };
      break;
    }
  }
  return init;
}

/** Types that mean something, where any value would not do. */
const wellKnown: Readonly<Record<string, (number: number) => Init>> = {
  "google.protobuf.Timestamp": (number) => ({ seconds: NEW_YEAR + BigInt(number), nanos: 0 }),
  "google.protobuf.Duration": (number) => ({ seconds: BigInt(number), nanos: 0 }),
  "google.protobuf.FieldMask": () => ({ paths: ["name"] }),
  "google.protobuf.Any": () => ({}), // it has no type to be of
  "google.protobuf.Value": (number) => ({ kind: { case: "numberValue", value: number } }),
};

/** Undefined: no message goes so deep. */
function valueOf(field: DescField, number: number, depth: number): unknown {
  switch (field.fieldKind) {
    case "scalar":
      return scalarOf(field.scalar, field, number, field.longAsString);
    case "enum":
      return enumOf(field.enum, number);
    case "message":
      return messageOf(field.message, field, number, depth);
    case "list": {
      const item = (at: number): unknown => {
        if (field.listKind === "message") return messageOf(field.message, field, at, depth);
        if (field.listKind === "enum") return enumOf(field.enum, at);
        return scalarOf(field.scalar, field, at, field.longAsString);
      };
      const items = [item(number), item(number + 1)];
      return items.includes(undefined) ? [] : items;
    }
    case "map": {
      const value = (): unknown => {
        if (field.mapKind === "message") return messageOf(field.message, field, number, depth);
        if (field.mapKind === "enum") return enumOf(field.enum, number);
        return scalarOf(field.scalar, field, number, false);
      };
      const item = value();
      return item === undefined ? {} : { [String(scalarOf(field.mapKey, field, number, true))]: item };
    }
  }
}

function messageOf(desc: DescMessage, field: DescField, number: number, depth: number): unknown {
  if (field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(desc)) {
    // A wrapper in a field of its own stands as its value.
    const [{ scalar }] = desc.fields;
    return scalarOf(scalar, field, number, false);
  }
  // A struct stands as the JSON object that it is, except within a `Value`.
  if (desc.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value")
    return { [field.name]: number };
  const least = (field.presence as number) === REQUIRED ? -REQUIRED_DEPTH : 0;
  return depth <= least ? undefined : create(desc, initOf(desc, number, depth - 1) as MessageInitShape<DescMessage>);
}

function scalarOf(type: ScalarType, field: DescField, number: number, longAsString: boolean): unknown {
  switch (type) {
    case ScalarType.STRING:
      return `${field.name}-${number}`;
    case ScalarType.BYTES:
      return new TextEncoder().encode(`${field.name}-${number}`);
    case ScalarType.BOOL:
      return number % 2 === 1;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return number + 0.5;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return longAsString ? String(number) : BigInt(number);
    default:
      return number;
  }
}

/** Zero mostly stands for "unspecified", so the others first. */
function enumOf({ values }: DescEnum, number: number): number {
  const meaning = values.filter((value) => value.number !== 0);
  return (meaning[(number - 1) % meaning.length] ?? values[0])?.number ?? 0;
}
