// Encoders compiled per message type: the bytes of protobuf's `toBinary`, four times as fast for small messages, from plain initializers too.
//
// Only the straight way is here. Whatever is unusual about a value (a number out of range, an array for bytes, a message of another type) makes
// the encoder give up; the codec then asks protobuf itself, which encodes it or says what is wrong. So nothing is decided in two places.
// It is long because it has one small function for each kind of field.
import { type DescField, type DescMessage, ScalarType, create, toBinary } from "@bufbuild/protobuf";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";
import { varintSize, writeVarint } from "./varint.ts";

/** A message or an initializer, by field names. */
type Loose = Readonly<Record<string, unknown>> & {
  readonly $typeName?: string;
  readonly $unknown?: readonly { readonly no: number; readonly wireType: number; readonly data: Uint8Array }[];
};
/** Writes a message, or one field of it with its tag. */
type WriteMessage = (message: Loose) => void;
/** Writes a value, without tag. There is room for a number; who writes more makes more. */
type WriteValue = (value: unknown) => void;

/** Bytes of a chunk that small results are cut from: allocating one array each costs more than encoding. */
const CHUNK_BYTES = 8_192;
/** What must be left of a chunk to begin in it. */
const LEAST_BYTES = 512;
/** Largest scratch memory that is kept for messages that do not fit a chunk. */
const SCRATCH_BYTES = 65_536;
/** Room for a tag and any number. */
const NUMBER_BYTES = 15;
/** `google.protobuf.FeatureSet.FieldPresence`. */
const IMPLICIT = 2;
const LEGACY_REQUIRED = 3;
/** Longest string that is written letter by letter; a call of TextEncoder costs about as much as so many. */
const SHORT_STRING = 48;

let chunk = new Uint8Array(CHUNK_BYTES);
let chunkEnd = 0;
let scratch = new Uint8Array(0);
let out = chunk;
let view: DataView | undefined;
let start = 0;
let at = 0;
let busy = false;
const textEncoder = new TextEncoder();
const words = new DataView(new ArrayBuffer(8));
const compiled = new WeakMap<DescMessage, WriteMessage>();

/** Encodes a message or initializer. Undefined: something is unusual, ask `toBinary`. */
export function encodeFast(desc: DescMessage, message: object): Uint8Array | undefined {
  if (busy) return undefined; // a getter that encodes, in the middle of another message
  busy = true;
  if (chunkEnd + LEAST_BYTES > CHUNK_BYTES) {
    chunk = new Uint8Array(CHUNK_BYTES);
    chunkEnd = 0;
  }
  use(chunk);
  start = at = chunkEnd;
  try {
    writerOf(desc)(message as Loose);
    if (out !== chunk) return out.slice(start, at);
    chunkEnd = at;
    return out.subarray(start, at);
  } catch {
    return undefined;
  } finally {
    busy = false;
  }
}

function use(bytes: Uint8Array<ArrayBuffer>): void {
  if (out !== bytes) view = undefined;
  out = bytes;
}

/** Makes room; what was written stays where it is, so that positions stay valid. */
function need(bytes: number): void {
  if (at + bytes <= out.length) return;
  const wanted = (at + bytes) * 2;
  const larger = out !== scratch && scratch.length >= wanted ? scratch : new Uint8Array(wanted);
  larger.set(out.subarray(start, at), start);
  if (wanted <= SCRATCH_BYTES) scratch = larger;
  use(larger);
}

function unusual(): never {
  throw new RangeError("not for the fast way");
}

/** Any unsigned integer up to 2^53-1; there is room for it. */
function varint(value: number): void {
  at = writeVarint(out, at, value);
}

/** A 64-bit integer as two unsigned halves. */
function varint64(low: number, high: number): void {
  for (; high > 0 || low > 127; high >>>= 7) {
    out[at++] = (low & 127) | 128;
    low = ((low >>> 7) | (high << 25)) >>> 0;
  }
  out[at++] = low;
}

function bigVarint(value: bigint): void {
  words.setBigInt64(0, value);
  varint64(words.getUint32(4), words.getUint32(0));
}

/** Writes a tag, leaves a byte for the length, runs `write`, and sets the length. */
function delimited(tag: number, write: WriteValue, value: unknown): void {
  need(NUMBER_BYTES * 2);
  varint(tag);
  const from = ++at;
  write(value);
  const length = at - from;
  const more = varintSize(length) - 1;
  if (more > 0) {
    need(more);
    out.copyWithin(from + more, from, at);
  }
  at = from - 1;
  varint(length);
  at += length;
}

function int32(value: unknown): void {
  if (((value as number) | 0) !== value) unusual();
  if (value >= 0) varint(value);
  else varint64(value >>> 0, 0xffff_ffff);
}

function uint32(value: unknown): void {
  if ((value as number) >>> 0 !== value) unusual();
  varint(value);
}

function bytes(value: unknown): void {
  if (!(value instanceof Uint8Array)) unusual();
  need(5 + value.length);
  varint(value.length);
  out.set(value, at);
  at += value.length;
}

function string(value: unknown): void {
  if (typeof value !== "string") unusual();
  const { length } = value;
  need(5 + length * 3);
  if (length <= SHORT_STRING) {
    const from = at;
    out[at++] = length;
    for (let index = 0; index < length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127) {
        at = from;
        break;
      }
      out[at++] = code;
    }
    if (at > from) return;
  }
  // How long the length will be is a guess from ASCII.
  const guess = varintSize(length);
  const { written } = textEncoder.encodeInto(value, out.subarray(at + guess));
  const size = varintSize(written);
  if (size !== guess) out.copyWithin(at + size, at + guess, at + guess + written);
  varint(written);
  at += written;
}

function fixed(size: number): DataView {
  view ??= new DataView(out.buffer);
  at += size;
  return view;
}

function big(value: unknown, signed: boolean): bigint {
  const number = typeof value === "bigint" ? value : BigInt(value as number);
  return (signed ? BigInt.asIntN(64, number) : BigInt.asUintN(64, number)) === number ? number : unusual();
}

function scalar(type: ScalarType): WriteValue {
  switch (type) {
    case ScalarType.STRING:
      return string;
    case ScalarType.BYTES:
      return bytes;
    case ScalarType.BOOL:
      return (value) => {
        if (typeof value !== "boolean") unusual();
        out[at++] = value ? 1 : 0;
      };
    case ScalarType.INT32:
      return int32;
    case ScalarType.UINT32:
      return uint32;
    case ScalarType.SINT32:
      return (value) => (((value as number) | 0) === value ? uint32(((value << 1) ^ (value >> 31)) >>> 0) : unusual());
    case ScalarType.INT64:
    case ScalarType.UINT64:
      return (value) => {
        const number = typeof value === "bigint" ? Number(value) : -1;
        if (number >= 0 && number <= Number.MAX_SAFE_INTEGER) varint(number);
        else bigVarint(big(value, type === ScalarType.INT64));
      };
    case ScalarType.SINT64:
      return (value) => {
        const number = big(value, true);
        bigVarint((number << 1n) ^ (number >> 63n));
      };
    case ScalarType.FIXED64:
      return (value) => fixed(8).setBigUint64(at - 8, big(value, false), true);
    case ScalarType.SFIXED64:
      return (value) => fixed(8).setBigInt64(at - 8, big(value, true), true);
    case ScalarType.FIXED32:
      return (value) => ((value as number) >>> 0 === value ? fixed(4).setUint32(at - 4, value, true) : unusual());
    case ScalarType.SFIXED32:
      return (value) => (((value as number) | 0) === value ? fixed(4).setInt32(at - 4, value, true) : unusual());
    case ScalarType.DOUBLE:
      return (value) => (typeof value === "number" ? fixed(8).setFloat64(at - 8, value, true) : unusual());
    case ScalarType.FLOAT:
      return (value) =>
        typeof value === "number" && (Number.isFinite(Math.fround(value)) || !Number.isFinite(value))
          ? fixed(4).setFloat32(at - 4, value, true)
          : unusual();
  }
}

function wireType(type: ScalarType): number {
  switch (type) {
    case ScalarType.STRING:
    case ScalarType.BYTES:
      return 2;
    case ScalarType.DOUBLE:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1;
    case ScalarType.FLOAT:
    case ScalarType.FIXED32:
    case ScalarType.SFIXED32:
      return 5;
    default:
      return 0;
  }
}

function writerOf(desc: DescMessage): WriteMessage {
  const known = compiled.get(desc);
  if (known !== undefined) return known;
  const writers: WriteMessage[] = [];
  const write: WriteMessage = (message) => {
    const { $typeName } = message;
    if ($typeName !== desc.typeName && $typeName !== undefined) unusual();
    for (let index = 0; index < writers.length; index++) writers[index]!(message);
    // Only messages have unknown fields: of initializers `create` takes none.
    if ($typeName === undefined || message.$unknown === undefined) return;
    for (const { no, wireType, data } of message.$unknown) {
      need(data.length + 5);
      varint(((no << 3) | wireType) >>> 0);
      out.set(data, at);
      at += data.length;
    }
  };
  compiled.set(desc, write); // before the fields, which may be of this type
  for (const field of [...desc.fields].sort((a, b) => a.number - b.number)) writers.push(fieldWriter(field));
  return write;
}

/** Fields by protobuf itself: what is rare and needs much code. */
function isRare(field: DescField): boolean {
  const message = field.message;
  return (
    // Held as JSON, except in a Value.
    (message?.typeName === "google.protobuf.Struct" && field.parent.typeName !== "google.protobuf.Value") ||
    (field.fieldKind !== "scalar" && "delimitedEncoding" in field && field.delimitedEncoding) ||
    (field.fieldKind === "map" && field.mapKey !== ScalarType.STRING)
  );
}

function fieldWriter(field: DescField): WriteMessage {
  const { localName, oneof, parent } = field;
  if (isRare(field)) {
    const name = oneof?.localName ?? localName;
    const required = parent.fields.some(({ presence }) => presence === LEGACY_REQUIRED);
    return (message) => {
      const value = message[name];
      if (value === undefined || value === null || (oneof && (value as Loose)["case"] !== localName)) return;
      if (field.fieldKind !== "message" && Object.keys(value).length === 0) return;
      if (required) unusual(); // it would miss its siblings
      const encoded = toBinary(parent, create(parent, { [name]: value }));
      need(encoded.length);
      out.set(encoded, at);
      at += encoded.length;
    };
  }
  if (field.fieldKind === "list") return listWriter(field);
  if (field.fieldKind === "map") return mapWriter(field);
  const write = tagged(field, valueOf(field));
  if (oneof) {
    const name = oneof.localName;
    return (message) => {
      const chosen = message[name] as { readonly case?: string; readonly value?: unknown } | undefined;
      if (chosen?.case === localName) write(chosen.value);
    };
  }
  if (field.presence !== IMPLICIT) {
    const required = field.presence === LEGACY_REQUIRED;
    // Messages of proto2 have defaults in their prototype.
    const inherited = (create(parent) as unknown as Loose)[localName];
    return (message) => {
      const value = message[localName];
      if (value !== undefined && value !== null && (value !== inherited || Object.hasOwn(message, localName)))
        write(value);
      else if (required) unusual();
    };
  }
  const type = typeOf(field);
  const zero =
    field.fieldKind === "enum"
      ? field.enum.values[0]!.number
      : type === ScalarType.STRING
        ? ""
        : type === ScalarType.BOOL
          ? false
          : 0;
  const isZero = zeroTest(type);
  if (isZero === undefined) {
    return (message) => {
      const value = message[localName];
      if (value !== undefined && value !== null && value !== zero) write(value);
    };
  }
  return (message) => {
    const value = message[localName];
    if (value !== undefined && value !== null && !isZero(value)) write(value);
  };
}

/** For types whose zero is not one value to be compared with. */
function zeroTest(type: ScalarType): ((value: unknown) => boolean) | undefined {
  switch (type) {
    case ScalarType.BYTES:
      return (value) => (value as Uint8Array).length === 0;
    case ScalarType.FLOAT:
    case ScalarType.DOUBLE:
      return (value) => Object.is(value, 0); // -0 is written
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return (value) => value === 0n || (typeof value !== "bigint" && Number(value) === 0); // also "0"
    default:
      return undefined;
  }
}

/** The type of a field's values, those of a list or a map taken one by one. */
function typeOf(field: DescField): ScalarType {
  return field.enum ? ScalarType.INT32 : (field as { readonly scalar: ScalarType }).scalar;
}

function valueOf(field: DescField): WriteValue {
  const { message } = field;
  if (message === undefined) return scalar(typeOf(field));
  const write = writerOf(message);
  // Held as the bare value, except in lists, maps and oneofs.
  if (field.fieldKind === "message" && !field.oneof && isWrapperDesc(message)) return (value) => write({ value });
  return (value) => (typeof value === "object" ? write(value as Loose) : unusual());
}

/** Puts the tag before the value, and its length if it is a message. */
function tagged(field: DescField, write: WriteValue, no: number = field.number): WriteValue {
  if (field.message) {
    const tag = ((no << 3) | 2) >>> 0;
    return (value) => delimited(tag, write, value);
  }
  const tag = ((no << 3) | wireType(typeOf(field))) >>> 0;
  return (value) => {
    need(NUMBER_BYTES);
    varint(tag);
    write(value);
  };
}

function listWriter(field: DescField & { fieldKind: "list" }): WriteMessage {
  const { localName } = field;
  const write = valueOf(field);
  if (field.packed) {
    const tag = ((field.number << 3) | 2) >>> 0;
    const all: WriteValue = (items) => {
      for (let index = 0; index < (items as unknown[]).length; index++) {
        need(NUMBER_BYTES);
        write((items as unknown[])[index]);
      }
    };
    return (message) => {
      const items = message[localName] as unknown[] | undefined;
      if (items !== undefined && items !== null && items.length > 0) delimited(tag, all, items);
    };
  }
  const each = tagged(field, write);
  return (message) => {
    const items = message[localName] as unknown[] | undefined;
    if (items !== undefined && items !== null) for (let index = 0; index < items.length; index++) each(items[index]);
  };
}

function mapWriter(field: DescField & { fieldKind: "map" }): WriteMessage {
  const { localName } = field;
  const tag = ((field.number << 3) | 2) >>> 0;
  const writeValue = tagged(field, valueOf(field), 2);
  let record: Loose = {};
  const entry: WriteValue = (key) => {
    const value = record[key as string];
    out[at++] = 10;
    string(key);
    writeValue(value);
  };
  return (message) => {
    const given = message[localName] as Loose | undefined;
    if (given === undefined || given === null) return;
    for (const key of Object.keys(given)) {
      record = given; // a value may be a message with the same map
      delimited(tag, entry, key);
    }
  };
}
