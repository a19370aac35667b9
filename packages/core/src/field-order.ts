// Protobuf's binary form in an order that does not depend on what its writer knew: who does not know a field writes it last, who knows it where its number is.
import type { DescField, DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { joinParts } from "./frame-walk.ts";

export interface FieldOrderOptions {
  /** Number of a field of the message itself that is left out; default: none is. */
  readonly without?: number;
  /** Entries of maps in the order of their bytes, as they come in any order by some codecs; default: as they are. Of maps that are not known as such they stay as they are. */
  readonly sortMaps?: boolean;
}

/** The message in `bytes` with its fields in the order of their numbers, in known messages within it, too. The same array if they are. Throws what malformed bytes make protobuf's reader throw. */
export function inFieldOrder(desc: DescMessage, bytes: Uint8Array, options: FieldOrderOptions = {}): Uint8Array {
  return ordered(bytes, fieldsOf(desc), options.without ?? 0, options.sortMaps ?? false);
}

type Fields = ReadonlyMap<number, Pick<DescField, "fieldKind" | "message">>;

interface Part {
  readonly no: number;
  readonly bytes: Uint8Array;
}

const known = new WeakMap<DescMessage, Fields>();
const noFields: Fields = new Map();

function fieldsOf(desc: DescMessage): Fields {
  let fields = known.get(desc);
  if (fields === undefined) known.set(desc, (fields = new Map(desc.fields.map((field) => [field.number, field]))));
  return fields;
}

function ordered(bytes: Uint8Array, fields: Fields, without: number, sortMaps: boolean): Uint8Array {
  const reader = new BinaryReader(bytes);
  const parts: Part[] = [];
  let changed = false;
  let last = 0;
  while (reader.pos < reader.len) {
    const start = reader.pos;
    const [no, wireType] = reader.tag();
    const field = fields.get(no);
    let own: Uint8Array | undefined;
    if (wireType === WireType.LengthDelimited && field?.message !== undefined) {
      const content = reader.bytes();
      const within = ordered(content, contentOf(field), 0, sortMaps);
      if (within !== content) own = new BinaryWriter().tag(no, wireType).bytes(within).finish();
    } else reader.skip(wireType, no);
    const entryAgain = sortMaps && no === last && field?.fieldKind === "map";
    if (own !== undefined || no < last || no === without || entryAgain) changed = true;
    last = no;
    if (no !== without) parts.push({ no, bytes: own ?? bytes.subarray(start, reader.pos) });
  }
  if (!changed) return bytes;
  const sorts = (no: number): boolean => sortMaps && fields.get(no)?.fieldKind === "map";
  parts.sort((a, b) => a.no - b.no || (sorts(a.no) ? compare(a.bytes, b.bytes) : 0));
  return joinParts(parts.map((part) => part.bytes));
}

/** Of a message, or of an entry of a map, whose value is field 2. */
function contentOf({ fieldKind, message }: Pick<DescField, "fieldKind" | "message">): Fields {
  if (message === undefined) return noFields;
  return fieldKind === "map" ? new Map([[2, { fieldKind: "message", message }]]) : fieldsOf(message);
}

function compare(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let at = 0; at < length; at++) if (a[at] !== b[at]) return a[at]! - b[at]!;
  return a.length - b.length;
}
