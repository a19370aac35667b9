// Where a descriptor, or a part of its options, is written: paths as in `SourceCodeInfo`, and the way from them to a range.
import type {
  DescEnum,
  DescExtension,
  DescField,
  DescFile,
  DescMessage,
  DescMethod,
  DescService,
} from "@bufbuild/protobuf";
import type { SourceCodeInfo_Location } from "@bufbuild/protobuf/wkt";
import type { Range } from "./diagnostic.ts";
import type { Point, SourceText } from "./source-text.ts";

export interface Place {
  readonly file: DescFile;
  readonly path: readonly number[];
  /** A part of the text at the path, if that is more exact. */
  readonly token?: string;
}

export type Described = DescFile | DescService | DescMethod | DescMessage | DescField | DescEnum;

// Field numbers of descriptor.proto: https://github.com/protocolbuffers/protobuf/blob/main/src/google/protobuf/descriptor.proto
const FILE_MESSAGE = 4;
const FILE_ENUM = 5;
const FILE_SERVICE = 6;
const MESSAGE_FIELD = 2;
const MESSAGE_NESTED = 3;
const MESSAGE_ENUM = 4;
const SERVICE_METHOD = 2;
const NAME = 1;
/** Number of `options` in the descriptor of each kind. */
const OPTIONS = { file: 8, service: 3, rpc: 4, message: 7, field: 8, enum: 3 } as const;

export function pathOf(desc: Described): readonly number[] {
  switch (desc.kind) {
    case "file":
      return [];
    case "service":
      return [FILE_SERVICE, desc.file.services.indexOf(desc)];
    case "rpc":
      return [...pathOf(desc.parent), SERVICE_METHOD, desc.parent.methods.indexOf(desc)];
    case "message":
      return desc.parent === undefined
        ? [FILE_MESSAGE, desc.file.messages.indexOf(desc)]
        : [...pathOf(desc.parent), MESSAGE_NESTED, desc.parent.proto.nestedType.indexOf(desc.proto)];
    case "enum":
      return desc.parent === undefined
        ? [FILE_ENUM, desc.file.enums.indexOf(desc)]
        : [...pathOf(desc.parent), MESSAGE_ENUM, desc.parent.proto.enumType.indexOf(desc.proto)];
    case "field":
      return [...pathOf(desc.parent), MESSAGE_FIELD, desc.parent.proto.field.indexOf(desc.proto)];
  }
}

/** The name of a declaration. */
export function nameOf(desc: Exclude<Described, DescFile>): Place {
  return { file: fileOf(desc), path: [...pathOf(desc), NAME] };
}

/**
 * A part of an option: names of fields (as in TypeScript) and positions in lists, from the option's message inwards.
 * `optionPart(method, channel, ["topic", "address"], "{room}")`.
 */
export function optionPart(
  desc: Described,
  option: DescExtension,
  parts: readonly (string | number)[],
  token?: string,
): Place {
  const path = [...pathOf(desc), OPTIONS[desc.kind], option.number];
  let message = option.message;
  for (const part of parts) {
    if (typeof part === "number") {
      path.push(part);
      continue;
    }
    const field: DescField | undefined = message?.field[part];
    if (field === undefined) throw new Error(`${option.typeName} has no ${parts.join(".")}`);
    path.push(field.number);
    message = field.message;
  }
  return { file: fileOf(desc), path, ...(token !== undefined && { token }) };
}

/**
 * Parts of an option that were not written have no position. Then the first part within them that has one is taken, or the
 * nearest around them; a token decides between them.
 */
export function rangeOf(place: Place, source: SourceText): Range | undefined {
  let fallback: Range | undefined;
  for (const location of candidates(place)) {
    const { from, to } = pointsOf(location, source);
    if (place.token === undefined) return source.range(from, to);
    const token = source.find(place.token, from, to);
    if (token !== undefined) return source.range(token.from, token.to);
    fallback ??= source.range(from, to);
  }
  return fallback;
}

/** From 1; undefined for a file as a whole. */
export function lineOf(place: Place): number | undefined {
  for (const { span } of candidates(place)) return (span[0] ?? 0) + 1;
  return undefined;
}

function* candidates({ file, path }: Place): Generator<SourceCodeInfo_Location> {
  const locations = file.proto.sourceCodeInfo?.location ?? [];
  for (let length = path.length; length > 0; length--) {
    const part = path.slice(0, length);
    yield* locations.filter((location) => samePath(location.path, part));
    if (length === path.length) yield* locations.filter((location) => startsWith(location.path, part)).slice(0, 1);
  }
}

function pointsOf(location: SourceCodeInfo_Location, source: SourceText): { from: Point; to: Point } {
  const [line = 0, column = 0, third = 0, fourth] = location.span;
  const from = source.atCell(line, column);
  const to = fourth === undefined ? source.atCell(line, third) : source.atCell(third, fourth);
  return { from, to };
}

function samePath(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && startsWith(a, b);
}

function startsWith(path: readonly number[], start: readonly number[]): boolean {
  return start.every((number, at) => path[at] === number);
}

export function fileOf(desc: Described): DescFile {
  return desc.kind === "file" ? desc : desc.kind === "rpc" || desc.kind === "field" ? desc.parent.file : desc.file;
}
