// The one form of a message in bytes that both ends of a signature come to, whatever codec and door it came by.
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { protoCodec } from "@raceway/core";

const codec = protoCodec();

interface Field {
  readonly no: number;
  readonly bytes: Uint8Array;
}

/**
 * Protobuf's binary form with fields in the order of their numbers and entries of maps in the order of their bytes, in messages within it, too. So what a receiver does not know is
 * where its sender had it. Without the top-level field `without`.
 */
export function canonicalBytes(desc: DescMessage, message: unknown, without = 0): Uint8Array {
  return ordered(
    codec.of(desc).encode(message as never),
    (no) => desc.fields.find(({ number }) => number === no),
    without,
  );
}

type FieldOf = (no: number) => DescMessage["fields"][number] | undefined;

/** The same array if all is in order. */
function ordered(bytes: Uint8Array, fieldOf: FieldOf, without = 0): Uint8Array {
  const reader = new BinaryReader(bytes);
  const fields: Field[] = [];
  let changed = false;
  let last = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [no, wireType] = reader.tag();
    const field = fieldOf(no);
    let own: Uint8Array | undefined;
    if (wireType === WireType.LengthDelimited && field !== undefined) {
      const content = reader.bytes();
      const within = contentOf(field, content);
      if (within !== content) own = new BinaryWriter().tag(no, wireType).bytes(within).finish();
    } else reader.skip(wireType, no);
    if (own !== undefined || no < last || no === without || (no === last && field?.fieldKind === "map")) changed = true;
    last = no;
    if (no !== without) fields.push({ no, bytes: own ?? bytes.subarray(start, reader.pos) });
  }
  if (!changed) return bytes;
  const isMap = (no: number): boolean => fieldOf(no)?.fieldKind === "map";
  fields.sort((a, b) => a.no - b.no || (isMap(a.no) ? compare(a.bytes, b.bytes) : 0));
  return concat(fields.map((field) => field.bytes));
}

function contentOf(field: NonNullable<ReturnType<FieldOf>>, content: Uint8Array): Uint8Array {
  const { message } = field;
  if (field.fieldKind === "map") {
    const value = message;
    return ordered(content, (no) =>
      no === 2 && value !== undefined ? ({ message: value, fieldKind: "message" } as never) : undefined,
    );
  }
  if (message === undefined) return content;
  return ordered(content, (no) => message.fields.find(({ number }) => number === no));
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
