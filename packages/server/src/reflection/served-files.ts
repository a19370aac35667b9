// The files of what a server serves, as reflection gives them: with the options that clients may know, and without what is not served.
import {
  type AnyDesc,
  type DescFile,
  type DescMethod,
  type DescService,
  clearExtension,
  clone,
  create,
  setExtension,
  toBinary,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import {
  type FileDescriptorProto,
  FileDescriptorProtoSchema,
  type MethodDescriptorProto,
  MethodOptionsSchema,
} from "@bufbuild/protobuf/wkt";
import type { ServedChannel } from "../channel.ts";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { channelOptions, policyOptions } from "./channel-options.ts";

export interface ServedFile {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** Names of its imports. */
  readonly imports: readonly string[];
}

/** Fixed from the first question on, when all is served. */
export class ServedFiles {
  readonly #files = new Map<string, ServedFile>();
  readonly #symbols = new Map<string, string>();
  /** Length of the longest name among them. */
  #longest = 0;
  /** File of each extension, by the full name of the extended message and the number. */
  readonly #extensions = new Map<string, Map<number, string>>();

  /** `others` are services that are there without being channels. */
  constructor(channels: Iterable<ServedChannel>, others: readonly DescService[], policies: boolean) {
    const byMethod = new Map<DescMethod, ServedChannel>([...channels].map((channel) => [channel.desc, channel]));
    const services = new Set<DescService>([...[...byMethod.keys()].map(({ parent }) => parent), ...others]);
    const files = new Set<DescFile>([...[...services].map(({ file }) => file), ext.file_raceway_v1_options]);
    for (const file of files) for (const one of file.dependencies) files.add(one); // a set goes on over what is added to it
    for (const file of files) {
      const name = file.proto.name;
      if (this.#files.has(name)) continue; // built twice, as by two packages; the first counts
      const proto = servedFile(file, services, byMethod, policies);
      this.#files.set(name, {
        name,
        bytes: toBinary(FileDescriptorProtoSchema, proto),
        imports: [...proto.dependency],
      });
      for (const { typeName } of symbolsIn(file, services)) {
        this.#symbols.set(typeName, name);
        this.#longest = Math.max(this.#longest, typeName.length);
      }
    }
    for (const file of files)
      for (const one of nestedTypes(file)) {
        if (one.kind !== "extension") continue;
        const known = this.#extensions.get(one.extendee.typeName) ?? new Map<number, string>();
        this.#extensions.set(one.extendee.typeName, known.set(one.number, file.proto.name));
      }
  }

  named(name: string): ServedFile | undefined {
    return this.#files.get(name);
  }
  /** Of a service, a message, an enum, an extension, or what is within one. */
  declaring(symbol: string): ServedFile | undefined {
    // A question may be a megabyte of dots: what is longer than any name is passed over at once.
    let end = symbol.length > this.#longest ? symbol.lastIndexOf(".", this.#longest) : symbol.length;
    for (; end > 0; end = symbol.lastIndexOf(".", end - 1)) {
      const file = this.#symbols.get(symbol.slice(0, end));
      if (file !== undefined) return this.#files.get(file);
    }
    return undefined;
  }
  extending(type: string, number: number): ServedFile | undefined {
    const file = this.#extensions.get(type)?.get(number);
    return file === undefined ? undefined : this.#files.get(file);
  }
  /** Undefined if the type is not known. */
  extensionsOf(type: string): readonly number[] | undefined {
    if (!this.#symbols.has(type)) return undefined;
    return [...(this.#extensions.get(type)?.keys() ?? [])].sort((a, b) => a - b);
  }
}

function* symbolsIn(
  file: DescFile,
  services: ReadonlySet<DescService>,
): Generator<Extract<AnyDesc, { readonly typeName: string }>> {
  for (const one of nestedTypes(file)) if (one.kind !== "service" || services.has(one)) yield one;
}

function servedFile(
  file: DescFile,
  services: ReadonlySet<DescService>,
  channels: ReadonlyMap<DescMethod, ServedChannel>,
  policies: boolean,
): FileDescriptorProto {
  const proto = clone(FileDescriptorProtoSchema, file.proto);
  // Comments and positions stay at home; generated code has none in any case.
  proto.sourceCodeInfo = undefined;
  // Generated descriptors have no option of Raceway; but they may have been made by others.
  for (const option of [ext.file, ext.file_policy]) if (proto.options) clearExtension(proto.options, option);
  const served = file.services.filter((service) => services.has(service));
  proto.service = proto.service.filter(({ name }) => served.some((service) => service.name === name));
  for (const service of proto.service) {
    const desc = served.find(({ name }) => name === service.name)!;
    for (const option of [ext.service, ext.service_policy])
      if (service.options) clearExtension(service.options, option);
    for (const method of service.method)
      setOptions(method, channels.get(desc.methods.find(({ name }) => name === method.name)!), policies);
  }
  const { name } = ext.file_raceway_v1_options.proto;
  const hasOptions = served.some((service) => service.methods.some((method) => channels.has(method)));
  if (hasOptions && !proto.dependency.includes(name)) proto.dependency.push(name);
  return proto;
}

function setOptions(method: MethodDescriptorProto, channel: ServedChannel | undefined, policies: boolean): void {
  if (channel === undefined) return;
  const options = (method.options ??= create(MethodOptionsSchema));
  setExtension(options, ext.channel, channelOptions(channel));
  if (policies) setExtension(options, ext.policy, policyOptions(channel.policy ?? {}));
  else clearExtension(options, ext.policy);
}
