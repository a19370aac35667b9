// Descriptors as clients may see them: without custom options, without the imports that only those needed, and with comments
// that cannot end the comment they are written into.
import {
  type DescMessage,
  type Message,
  create,
  getExtension,
  hasExtension,
  isMessage,
  toBinary,
} from "@bufbuild/protobuf";
import type { GenExtension } from "@bufbuild/protobuf/codegenv2";
import * as wkt from "@bufbuild/protobuf/wkt";
import type {
  DescriptorProto,
  EnumDescriptorProto,
  FieldDescriptorProto,
  FileDescriptorProto,
  FileDescriptorSet,
  SourceCodeInfo_Location,
} from "@bufbuild/protobuf/wkt";
import {
  channel as channelExtension,
  field as fieldExtension,
  file as fileExtension,
  service as serviceExtension,
} from "../gen/raceway/v1/options_pb.ts";
import { resolveName } from "../model/errors.ts";
import { plainComment } from "../plain-comment.ts";

/** Number of `(buf.validate.message)`, `(buf.validate.oneof)` and `(buf.validate.field)`, which is reserved for them in what they extend. */
const VALIDATION_RULES = 1159;
const ruleHolders: ReadonlySet<string> = new Set(
  [wkt.MessageOptionsSchema, wkt.OneofOptionsSchema, wkt.FieldOptionsSchema].map(({ typeName }) => typeName),
);

/**
 * Custom options are dropped, ours and others', so that no rule about authorization and no annotation for other tools ends
 * up in a browser. That a field is sensitive stays, as protobuf's own `debug_redact`: whoever logs or traces has to know. The rules of
 * Protovalidate stay, too, without the import of their schema, which whoever holds messages to them brings along. `keep` has the full names, or packages, of
 * other options that are read at run time.
 */
export function stripOptions(set: FileDescriptorSet, keep: readonly string[] = []): FileDescriptorSet {
  const kept = keptOptions(set, keep);
  const homes = typeHomes(set);
  const publicImports = publicClosures(set);
  return create(wkt.FileDescriptorSetSchema, {
    file: set.file.map((given) => {
      const file = copyOf(given);
      const used = new Set<string>();
      for (const [extendee, holder] of optionHolders(file)) {
        if (holder.options === undefined) continue;
        if (isMessage(holder.options, wkt.FieldOptionsSchema) && getExtension(holder.options, fieldExtension).sensitive)
          holder.options.debugRedact = true;
        holder.options.$unknown = (holder.options.$unknown ?? []).filter(({ no }) => {
          if (no === VALIDATION_RULES && ruleHolders.has(extendee.typeName)) return true;
          const home = kept.get(`${extendee.typeName}:${no}`);
          if (home !== undefined) used.add(home);
          return home !== undefined;
        });
        if (toBinary(extendee, holder.options).length === 0) holder.options = undefined;
      }
      for (const type of [...typesIn(file), ...detailsIn(given, homes)]) used.add(homes.get(type) ?? "");
      dropImports(file, (path) => (publicImports.get(path) ?? [path]).some((one) => used.has(one)));
      if (file.sourceCodeInfo !== undefined) {
        file.sourceCodeInfo = shallow(file.sourceCodeInfo);
        file.sourceCodeInfo.location = file.sourceCodeInfo.location.map(safeLocation);
      }
      return file;
    }),
  });
}

/** A file of which all that has options can be changed; the rest, above all thousands of source positions, is shared. */
function copyOf(given: FileDescriptorProto): FileDescriptorProto {
  const file = holder(given);
  file.dependency = [...file.dependency];
  file.enumType = file.enumType.map(enumCopy);
  file.messageType = file.messageType.map(messageCopy);
  file.extension = file.extension.map(holder);
  file.service = file.service.map((one) => {
    const service = holder(one);
    service.method = service.method.map(holder);
    return service;
  });
  return file;
}
function messageCopy(given: DescriptorProto): DescriptorProto {
  const message = holder(given);
  message.field = message.field.map(holder);
  message.extension = message.extension.map(holder);
  message.nestedType = message.nestedType.map(messageCopy);
  message.enumType = message.enumType.map(enumCopy);
  message.oneofDecl = message.oneofDecl.map(holder);
  message.extensionRange = message.extensionRange.map(holder);
  return message;
}
function enumCopy(given: EnumDescriptorProto): EnumDescriptorProto {
  const one = holder(given);
  one.value = one.value.map(holder);
  return one;
}
function holder<T extends Message & OptionHolder>(given: T): T {
  const copy = shallow(given);
  if (copy.options !== undefined) copy.options = shallow(copy.options);
  return copy;
}
/** Defaults of proto2, which descriptors are written in, are in the prototype. */
function shallow<T extends Message>(given: T): T {
  return Object.assign(Object.create(Object.getPrototypeOf(given) as object) as T, given);
}

/** Files that are needed to use the given ones, themselves included, in the order of the set. */
export function withImports(set: FileDescriptorSet, files: readonly string[]): readonly FileDescriptorProto[] {
  const needed = new Set<string>(files);
  // Each file comes after those it imports, so one pass backwards meets each file before its imports.
  for (const file of set.file.toReversed())
    if (needed.has(file.name)) for (const path of file.dependency) needed.add(path);
  return set.file.filter((file) => needed.has(file.name));
}

/**
 * Comments at the top of a file become `//` comments in its generated code, where any of these ends the line in JavaScript
 * and only "\n" does in protobuf; and a line that begins with "/" would become a `///` directive to TypeScript.
 */
function safeComment(text: string): string {
  return plainComment(text.replaceAll(/\r\n|[\r\u2028\u2029]/g, "\n").replaceAll(/^\//gm, " /"));
}

/** The location itself if it has no comment, as nearly all. Unset comments read as "", and must not become set. */
function safeLocation(given: SourceCodeInfo_Location): SourceCodeInfo_Location {
  const { leadingComments, trailingComments, leadingDetachedComments } = given;
  if (leadingComments === "" && trailingComments === "" && leadingDetachedComments.length === 0) return given;
  const location = shallow(given);
  if (leadingComments !== "") location.leadingComments = safeComment(leadingComments);
  if (trailingComments !== "") location.trailingComments = safeComment(trailingComments);
  location.leadingDetachedComments = leadingDetachedComments.map(safeComment);
  return location;
}

/** "extendee:number" of each option to keep, and the file that defines it. */
function keptOptions(set: FileDescriptorSet, keep: readonly string[]): ReadonlyMap<string, string> {
  const kept = new Map<string, string>();
  for (const file of set.file) {
    for (const [scope, extension] of extensionsIn(file)) {
      const name = scope === "" ? extension.name : `${scope}.${extension.name}`;
      if (keep.some((one) => name === one || name.startsWith(`${one}.`)))
        kept.set(`${plain(extension.extendee)}:${extension.number}`, file.name);
    }
  }
  return kept;
}

function* extensionsIn(
  file: FileDescriptorProto,
): Generator<readonly [scope: string, extension: FieldDescriptorProto]> {
  for (const extension of file.extension) yield [file.package, extension];
  for (const [name, message] of messagesIn(file)) for (const extension of message.extension) yield [name, extension];
}

function* messagesIn(file: FileDescriptorProto): Generator<readonly [name: string, message: DescriptorProto]> {
  function* under(scope: string, messages: readonly DescriptorProto[]): Generator<readonly [string, DescriptorProto]> {
    for (const message of messages) {
      const name = scope === "" ? message.name : `${scope}.${message.name}`;
      yield [name, message];
      yield* under(name, message.nestedType);
    }
  }
  yield* under(file.package, file.messageType);
}

/** The file of each message and enum. */
function typeHomes(set: FileDescriptorSet): ReadonlyMap<string, string> {
  const homes = new Map<string, string>();
  for (const file of set.file) {
    for (const { name } of file.enumType) homes.set(file.package === "" ? name : `${file.package}.${name}`, file.name);
    for (const [name, message] of messagesIn(file)) {
      homes.set(name, file.name);
      for (const one of message.enumType) homes.set(`${name}.${one.name}`, file.name);
    }
  }
  return homes;
}

/** For each file, what an import of it makes visible: itself, and its public imports. */
function publicClosures(set: FileDescriptorSet): ReadonlyMap<string, readonly string[]> {
  const closures = new Map<string, readonly string[]>();
  for (const file of set.file) {
    const visible = file.publicDependency.flatMap((at) => closures.get(file.dependency[at] ?? "") ?? []);
    closures.set(file.name, [file.name, ...visible]);
  }
  return closures;
}

function* typesIn(file: FileDescriptorProto): Generator<string> {
  for (const [, extension] of extensionsIn(file)) yield* [plain(extension.extendee), plain(extension.typeName)];
  for (const [, message] of messagesIn(file)) for (const field of message.field) yield plain(field.typeName);
  for (const service of file.service)
    for (const method of service.method) yield* [plain(method.inputType), plain(method.outputType)];
}

/** Messages that declared errors bring along: clients read them, though no descriptor of theirs names them. */
function* detailsIn(given: FileDescriptorProto, homes: ReadonlyMap<string, string>): Generator<string> {
  const rules = [
    ...(read(given.options, fileExtension)?.defaults?.errors ?? []),
    ...given.service.flatMap(({ options }) => read(options, serviceExtension)?.defaults?.errors ?? []),
    ...given.service
      .flatMap(({ method }) => method)
      .flatMap(({ options }) => read(options, channelExtension)?.errors ?? []),
  ];
  for (const { detail } of rules) {
    const name = resolveName(detail, given.package, (one) => homes.has(one));
    if (name !== undefined) yield name;
  }
}

/** Undefined where it is not said. */
function read<H extends Message, V>(options: H | undefined, option: GenExtension<H, V>): V | undefined {
  return options !== undefined && hasExtension(options, option) ? (getExtension(options, option) as V) : undefined;
}

/** Without the dot in front that descriptors write. */
function plain(name: string): string {
  return name.startsWith(".") ? name.slice(1) : name;
}

interface OptionHolder {
  options?: Message | undefined;
}

/** All that can have options in a file, with the type of its options. */
function* optionHolders(file: FileDescriptorProto): Generator<readonly [extendee: DescMessage, holder: OptionHolder]> {
  function* ofEnum(one: EnumDescriptorProto): Generator<readonly [DescMessage, OptionHolder]> {
    yield [wkt.EnumOptionsSchema, one];
    for (const value of one.value) yield [wkt.EnumValueOptionsSchema, value];
  }
  yield [wkt.FileOptionsSchema, file];
  for (const one of file.enumType) yield* ofEnum(one);
  for (const [, extension] of extensionsIn(file)) yield [wkt.FieldOptionsSchema, extension];
  for (const [, message] of messagesIn(file)) {
    yield [wkt.MessageOptionsSchema, message];
    for (const field of message.field) yield [wkt.FieldOptionsSchema, field];
    for (const oneof of message.oneofDecl) yield [wkt.OneofOptionsSchema, oneof];
    for (const range of message.extensionRange) yield [wkt.ExtensionRangeOptionsSchema, range];
    for (const one of message.enumType) yield* ofEnum(one);
  }
  for (const service of file.service) {
    yield [wkt.ServiceOptionsSchema, service];
    for (const method of service.method) yield [wkt.MethodOptionsSchema, method];
  }
}

/** Public imports stay: other files rely on them. Imports of options (edition 2024) all go, unless they are needed. */
function dropImports(file: FileDescriptorProto, needed: (path: string) => boolean): void {
  const isPublic = new Set(file.publicDependency);
  const isWeak = new Set(file.weakDependency);
  const kept = file.dependency
    .map((path, at) => ({ path, at }))
    .filter(({ path, at }) => isPublic.has(at) || needed(path));
  const positions = (of: ReadonlySet<number>): number[] =>
    kept.flatMap(({ at }, position) => (of.has(at) ? [position] : []));
  file.publicDependency = positions(isPublic);
  file.weakDependency = positions(isWeak);
  file.dependency = kept.map(({ path }) => path);
  file.optionDependency = file.optionDependency.filter(needed);
}
