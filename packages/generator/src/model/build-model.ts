// From descriptors to the channel model.
import type { DescFile, DescMessage, DescMethod, DescService, FileRegistry } from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import { compareText } from "../diagnostic.ts";
import { pathOf } from "../place.ts";
import {
  type ChannelModel,
  type FileModel,
  MODEL_VERSION,
  type MessageModel,
  type Model,
  type ServiceModel,
} from "./model.ts";
import { type FileNames, namesOf } from "./names.ts";
import { contractOf, fieldNamed, namesInAddress, policyOf } from "./options.ts";

/** `requested` are import paths that were asked for, `needed` those that are generated because others import them. */
export function buildModel(registry: FileRegistry, requested: readonly string[], needed: readonly string[]): Model {
  const names = new Map<DescFile, FileNames>();
  const namesIn = (file: DescFile): FileNames => {
    let known = names.get(file);
    if (known === undefined) names.set(file, (known = namesOf(file)));
    return known;
  };
  const asked = new Set(requested);
  const files = [...requested, ...needed].toSorted(compareText).map((path): FileModel => {
    const file = registry.getFile(path)!;
    const isAsked = asked.has(path);
    return {
      path,
      package: file.proto.package,
      requested: isAsked,
      services: isAsked ? file.services.map((service) => serviceModel(service)) : [],
    };
  });
  return { version: MODEL_VERSION, files };

  function serviceModel(service: DescService): ServiceModel {
    return {
      typeName: service.typeName,
      name: service.name,
      descriptor: namesIn(service.file).descriptor(service),
      comment: commentOf(service),
      deprecated: service.deprecated,
      channels: service.methods.map((method) => channelModel(method)),
    };
  }

  function channelModel(method: DescMethod): ChannelModel {
    const policy = policyOf(method);
    const contract = contractOf(method);
    return {
      name: method.name,
      localName: method.localName,
      path: `/${method.parent.typeName}/${method.name}`,
      shape: method.methodKind,
      request: messageModel(method.input),
      response: messageModel(method.output),
      contract,
      ...(policy !== undefined && { policy }),
      key: namesInAddress(contract.address ?? "").map((name) => {
        const field = fieldNamed(method.input, name)!;
        return { property: field.localName, optional: field.presence === FeatureSet_FieldPresence.EXPLICIT };
      }),
      comment: commentOf(method),
      deprecated: method.deprecated,
    };
  }

  function messageModel(message: DescMessage): MessageModel {
    const path = message.file.proto.name;
    const module = asked.has(path) ? undefined : wktPublicImportPaths[path];
    return {
      typeName: message.typeName,
      file: path,
      ...(module !== undefined && { module }),
      type: namesIn(message.file).type(message),
      schema: namesIn(message.file).descriptor(message),
    };
  }
}

/** The comment before a declaration, or else the one behind it, as lines without the blank that most of them begin with. */
function commentOf(desc: DescService | DescMethod): readonly string[] {
  const file = desc.kind === "rpc" ? desc.parent.file : desc.file;
  const text = commentsIn(file).get(pathOf(desc).join()) ?? "";
  const lines = text.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => line.replace(/^ /, "").trimEnd());
  while (lines.at(-1) === "") lines.pop();
  while (lines[0] === "") lines.shift();
  return lines;
}

const comments = new WeakMap<DescFile, ReadonlyMap<string, string>>();

/** All comments of a file by path; large files have ten thousands of locations, too many to look through per method. */
function commentsIn(file: DescFile): ReadonlyMap<string, string> {
  let known = comments.get(file);
  if (known === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    known = new Map(
      locations.flatMap(({ path, leadingComments, trailingComments }) => {
        const text = leadingComments || trailingComments;
        return text === "" ? [] : [[path.join(), text] as const];
      }),
    );
    comments.set(file, known);
  }
  return known;
}
