// The full name of what a finding is about: "chat.v1.Message.by", "chat.v1.RoomService/Messages". It stays the same when lines move.
import type { DescFile } from "@bufbuild/protobuf";
import type { DescriptorProto, EnumDescriptorProto } from "@bufbuild/protobuf/wkt";
import type { Place } from "../place.ts";

/** Of the innermost declaration that the place is in; the file's name if it is in none. */
export function symbolOf({ file, path }: Pick<Place, "file" | "path">): string {
  return declarationAt(file, path).symbol ?? file.proto.name;
}

/** The same, for a position as compilers count it: lines and columns from 0. */
export function symbolAtCell(file: DescFile, line: number, column: number): string | undefined {
  let found: { readonly symbol?: string; readonly depth: number } = { depth: 0 };
  for (const { path, span } of file.proto.sourceCodeInfo?.location ?? []) {
    const [fromLine = 0, fromColumn = 0, third = 0, fourth] = span;
    const [toLine, toColumn] = fourth === undefined ? [fromLine, third] : [third, fourth];
    const after = line > fromLine || (line === fromLine && column >= fromColumn);
    const before = line < toLine || (line === toLine && column < toColumn);
    if (!after || !before) continue;
    const declared = declarationAt(file, path);
    if (declared.depth > found.depth) found = declared;
  }
  return found.symbol;
}

interface Declaration {
  readonly symbol?: string;
  /** How much of the path it takes. */
  readonly depth: number;
}

// Field numbers of descriptor.proto.
const FILE = { message: 4, enum: 5, service: 6, extension: 7 } as const;
const MESSAGE = { field: 2, nested: 3, enum: 4, extension: 6, oneof: 8 } as const;
const ENUM_VALUE = 2;
const SERVICE_METHOD = 2;

function declarationAt({ proto }: DescFile, path: readonly number[]): Declaration {
  const [part, at = -1] = path;
  const scope = proto.package === "" ? "" : `${proto.package}.`;
  switch (part) {
    case FILE.message:
      return inMessage(proto.messageType[at], scope, path, 2);
    case FILE.enum:
      return inEnum(proto.enumType[at], scope, path, 2);
    case FILE.extension:
      return named(scope, proto.extension[at]?.name, 2);
    case FILE.service: {
      const service = proto.service[at];
      const [inner, position = -1] = path.slice(2);
      const method = inner === SERVICE_METHOD ? service?.method[position] : undefined;
      return method === undefined ? named(scope, service?.name, 2) : named(`${scope}${service!.name}/`, method.name, 4);
    }
    default:
      return { depth: 0 };
  }
}

function inMessage(
  message: DescriptorProto | undefined,
  scope: string,
  path: readonly number[],
  depth: number,
): Declaration {
  if (message === undefined) return { depth: 0 };
  const [part, at = -1] = path.slice(depth);
  const inner = `${scope}${message.name}.`;
  const deeper = depth + 2;
  const self = named(scope, message.name, depth);
  const within = ((): Declaration => {
    switch (part) {
      case MESSAGE.field:
        return named(inner, message.field[at]?.name, deeper);
      case MESSAGE.extension:
        return named(inner, message.extension[at]?.name, deeper);
      case MESSAGE.oneof:
        return named(inner, message.oneofDecl[at]?.name, deeper);
      case MESSAGE.nested:
        return inMessage(message.nestedType[at], inner, path, deeper);
      case MESSAGE.enum:
        return inEnum(message.enumType[at], inner, path, deeper);
      default:
        return self;
    }
  })();
  return within.symbol === undefined ? self : within;
}

function inEnum(
  one: EnumDescriptorProto | undefined,
  scope: string,
  path: readonly number[],
  depth: number,
): Declaration {
  const [part, at = -1] = path.slice(depth);
  const value = part === ENUM_VALUE ? one?.value[at] : undefined;
  return value === undefined ? named(scope, one?.name, depth) : named(`${scope}${one!.name}.`, value.name, depth + 2);
}

function named(scope: string, name: string | undefined, depth: number): Declaration {
  return name === undefined ? { depth: 0 } : { symbol: `${scope}${name}`, depth };
}
