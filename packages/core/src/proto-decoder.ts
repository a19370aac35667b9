// Decoders compiled per message type: what protobuf's `fromBinary` makes, in under half of its time. For servers; a page does without the code.
//
// Only the straight way is here, as in proto-encoder.ts: bytes that a generated encoder writes for types of proto3. At whatever else (an unknown
// field, a message that occurs twice and is to be merged, a map entry the other way round, anything malformed) the decoder gives up, and the codec
// asks protobuf itself, which decodes it or says what is wrong.
import { type DescField, type DescMessage, create, protoInt64, ScalarType } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";

type Draft = Record<string, unknown>;
type ReadField = (message: Draft) => void;
type ReadValue = () => unknown;

interface Compiled {
  /** A message with nothing in it, to be copied. */
  readonly blank: Draft;
  /** What a copy needs of its own: lists, maps, oneofs. */
  readonly own: readonly { readonly name: string; readonly kind: "list" | "map" | "oneof" }[];
  /** By tag: field number × 8 + wire type. */
  readonly fields: Map<number, ReadField>;
  /** The same, for the small ones. */
  readonly near: (ReadField | undefined)[];
}

/** Tags below this are found by index. */
const NEAR = 256;
/** Longest string that is made letter by letter; a call of TextDecoder costs about as much as so many. */
const SHORT_STRING = 24;

let bytes: Uint8Array = new Uint8Array(0);
let view: DataView | undefined;
let at = 0;
let end = 0;
let depth = 0;
const textDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const words = new DataView(new ArrayBuffer(8));
const compiled = new WeakMap<DescMessage, Compiled | false>();

/** Decodes a message. Undefined: something is unusual, ask `fromBinary`. */
export function decodeFast(desc: DescMessage, given: Uint8Array, maxDepth: number): object | undefined {
  const type = compile(desc);
  if (type === false) return undefined;
  bytes = given;
  view = undefined;
  at = 0;
  end = given.length;
  depth = maxDepth;
  try {
    return readMessage(type, end);
  } catch {
    return undefined;
  }
}

function unusual(): never {
  throw new RangeError("not for the fast way");
}

/** What is read beyond the end is rubbish, which is found out at the end of the message at the latest. */
function readMessage(type: Compiled, length: number): Draft {
  const outer = end;
  const stop = at + length;
  if (stop > outer || --depth < 0) unusual();
  end = stop;
  const message = { ...type.blank };
  for (const { name, kind } of type.own)
    message[name] = kind === "list" ? [] : kind === "map" ? {} : { case: undefined };
  while (at < stop) {
    const tag = uint32();
    const read = tag < NEAR ? type.near[tag] : type.fields.get(tag);
    if (read === undefined) unusual();
    read(message);
  }
  if (at !== stop) unusual();
  end = outer;
  depth++;
  return message;
}

/** The low 32 bits of a varint. */
function uint32(): number {
  let byte = bytes[at++]!;
  if (byte < 128) return byte;
  let value = byte & 127;
  for (let shift = 7; shift < 28; shift += 7) {
    byte = bytes[at++]!;
    value |= (byte & 127) << shift;
    if (byte < 128) return value;
  }
  byte = bytes[at++]!;
  value |= byte << 28;
  // Negative numbers have ten bytes, of which these five say no more.
  for (let rest = 5; byte > 127; rest--) {
    if (rest === 0) unusual();
    byte = bytes[at++]!;
  }
  return value >>> 0;
}

function bigint(signed: boolean): bigint {
  // Up to 2^49 a number will do.
  const from = at;
  let value = 0;
  for (let scale = 1; scale < 2 ** 49; scale *= 128) {
    const byte = bytes[at++]!;
    value += (byte & 127) * scale;
    if (byte < 128) return BigInt(value);
  }
  at = from;
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = bytes[at++]!;
    const bits = byte & 127;
    if (shift < 32) low |= bits << shift;
    if (shift === 28) high |= bits >> 4;
    else if (shift > 28) high |= bits << (shift - 32);
    if (byte < 128) {
      words.setInt32(0, high);
      words.setInt32(4, low);
      return signed ? words.getBigInt64(0) : words.getBigUint64(0);
    }
  }
  return unusual();
}

function blob(): Uint8Array {
  const length = uint32();
  at += length;
  if (at > end) unusual();
  return bytes.subarray(at - length, at);
}

function string(): string {
  const from = at;
  const length = bytes[at]!;
  if (length > SHORT_STRING) return textDecoder.decode(blob());
  if ((at += length + 1) > end) unusual();
  const codes: number[] = [];
  for (let index = from + 1; index < at; index++) {
    const code = bytes[index]!;
    if (code > 127) return textDecoder.decode(bytes.subarray(from + 1, at));
    codes.push(code);
  }
  return String.fromCharCode(...codes);
}

function fixed(size: number): DataView {
  view ??= new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if ((at += size) > end) unusual();
  return view;
}

/** How a scalar is read, and its wire type. Undefined: not here. */
function scalar(type: ScalarType): readonly [read: ReadValue, wire: number] | undefined {
  switch (type) {
    case ScalarType.STRING:
      return [string, 2];
    case ScalarType.BYTES:
      return [blob, 2];
    case ScalarType.BOOL:
      return [() => (bytes[at]! < 2 ? bytes[at++] === 1 : unusual()), 0];
    case ScalarType.UINT32:
      return [uint32, 0];
    case ScalarType.INT32:
      return [() => uint32() | 0, 0];
    case ScalarType.SINT32:
      return [
        () => {
          const value = uint32();
          return (value >>> 1) ^ -(value & 1);
        },
        0,
      ];
    case ScalarType.FIXED32:
      return [() => fixed(4).getUint32(at - 4, true), 5];
    case ScalarType.SFIXED32:
      return [() => fixed(4).getInt32(at - 4, true), 5];
    case ScalarType.FLOAT:
      return [() => fixed(4).getFloat32(at - 4, true), 5];
    case ScalarType.DOUBLE:
      return [() => fixed(8).getFloat64(at - 8, true), 1];
    default:
      return protoInt64.supported ? scalar64(type) : undefined;
  }
}

function scalar64(type: ScalarType): readonly [read: ReadValue, wire: number] | undefined {
  switch (type) {
    case ScalarType.INT64:
      return [() => bigint(true), 0];
    case ScalarType.UINT64:
      return [() => bigint(false), 0];
    case ScalarType.SINT64:
      return [
        () => {
          const value = bigint(false);
          return (value >> 1n) ^ -(value & 1n);
        },
        0,
      ];
    case ScalarType.FIXED64:
      return [() => fixed(8).getBigUint64(at - 8, true), 1];
    case ScalarType.SFIXED64:
      return [() => fixed(8).getBigInt64(at - 8, true), 1];
    default:
      return undefined;
  }
}

/** False: types whose messages have their defaults in a prototype. */
function compile(desc: DescMessage): Compiled | false {
  const known = compiled.get(desc);
  if (known !== undefined) return known;
  const blank = create(desc) as unknown as Draft;
  if (Object.getPrototypeOf(blank) !== Object.prototype) {
    compiled.set(desc, false);
    return false;
  }
  const own = desc.members.flatMap(({ kind, localName, ...member }) => {
    if (kind === "oneof") return { name: localName, kind };
    const { fieldKind } = member as { readonly fieldKind: string };
    return fieldKind === "list" || fieldKind === "map" ? { name: localName, kind: fieldKind } : [];
  });
  const type: Compiled = {
    blank,
    own: own as Compiled["own"],
    fields: new Map(),
    near: Array.from({ length: NEAR }, () => undefined),
  };
  compiled.set(desc, type); // before the fields, which may be of this type
  for (const field of desc.fields) {
    for (const [wire, read] of fieldReaders(field)) {
      const tag = ((field.number << 3) | wire) >>> 0;
      type.fields.set(tag, read);
      if (tag < NEAR) type.near[tag] = read;
    }
  }
  return type;
}

/** How single values are read. Undefined: by protobuf. */
function valueReader(field: DescField): readonly [read: ReadValue, wire: number] | undefined {
  const { message } = field;
  if (message === undefined) {
    if (field.enum) return field.enum.open || field.fieldKind === "map" ? scalar(ScalarType.INT32) : undefined;
    if ("longAsString" in field && field.longAsString) return undefined;
    return scalar((field as { readonly scalar: ScalarType }).scalar);
  }
  const heldAsJson = message.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value";
  const heldBare = field.fieldKind === "message" && !field.oneof && isWrapperDesc(message);
  const delimited = "delimitedEncoding" in field && field.delimitedEncoding;
  if (heldAsJson || heldBare || delimited) return undefined;
  const type = compile(message);
  return type === false ? undefined : [() => readMessage(type, uint32()), 2];
}

/** The readers of a field by wire type; none where protobuf has to do it. */
function fieldReaders(field: DescField): readonly (readonly [wire: number, read: ReadField])[] {
  const value = valueReader(field);
  if (value === undefined || ("utf8Validation" in field && !field.utf8Validation)) return [];
  const [read, wire] = value;
  const { localName } = field;
  if (field.fieldKind === "map") {
    const key = scalar(field.mapKey);
    return key === undefined ? [] : [[2, entryReader(localName, (1 << 3) | key[1], key[0], (2 << 3) | wire, read)]];
  }
  if (field.fieldKind === "list") {
    const one: ReadField = (message) => void (message[localName] as unknown[]).push(read());
    if (wire === 2) return [[2, one]];
    const packed: ReadField = (message) => {
      const list = message[localName] as unknown[];
      const stop = uint32() + at;
      if (stop > end) unusual();
      while (at < stop) list.push(read());
      if (at !== stop) unusual();
    };
    return [
      [wire, one],
      [2, packed],
    ];
  }
  const merged = field.fieldKind === "message"; // when it occurs again
  if (field.oneof) {
    const name = field.oneof.localName;
    const chosen: ReadField = (message) => {
      if (merged && (message[name] as { readonly case?: string }).case === localName) unusual();
      message[name] = { case: localName, value: read() };
    };
    return [[wire, chosen]];
  }
  const single: ReadField = (message) => {
    if (merged && message[localName] !== undefined) unusual();
    message[localName] = read();
  };
  return [[wire, single]];
}

/** Reads map entries as encoders write them: the key, then the value. */
function entryReader(
  name: string,
  keyTag: number,
  readKey: ReadValue,
  valueTag: number,
  readValue: ReadValue,
): ReadField {
  return (message) => {
    const stop = uint32() + at;
    if (stop > end || uint32() !== keyTag) unusual();
    const key = String(readKey());
    if (uint32() !== valueTag || key === "__proto__") unusual();
    (message[name] as Draft)[key] = readValue();
    if (at !== stop) unusual();
  };
}
