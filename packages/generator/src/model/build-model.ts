// From descriptors to the channel model.
import type { DescEnum, DescFile, DescMessage, DescMethod, DescService, FileRegistry } from "@bufbuild/protobuf";
import { wktPublicImportPaths } from "@bufbuild/protobuf/codegenv2";
import { FeatureSet_FieldPresence } from "@bufbuild/protobuf/wkt";
import {
  type ChannelModel,
  type ErrorModel,
  type FileModel,
  MODEL_VERSION,
  type Model,
  type ServiceModel,
  type TypeModel,
} from "@raceway/core/target";
import { compareText } from "../diagnostic.ts";
import { type Declarations, declarationsOf } from "./build-types.ts";
import { commentOf } from "./comments.ts";
import { codeOf, errorsOf } from "./errors.ts";
import { type FileNames, namesOf } from "./names.ts";
import { contractOf, fieldNamed, namesInAddress, policyOf } from "./options.ts";

export interface ModelScope {
  /** Import paths that are generated with their services. */
  readonly requested: readonly string[];
  /** Those that are generated because others import them. */
  readonly needed: readonly string[];
  /** All that were asked for, now or in an earlier run. */
  readonly asked: ReadonlySet<string>;
}

export function buildModel(registry: FileRegistry, { requested, needed, asked }: ModelScope): Model {
  const names = new Map<DescFile, FileNames>();
  const namesIn = (file: DescFile): FileNames => {
    let known = names.get(file);
    if (known === undefined) names.set(file, (known = namesOf(file)));
    return known;
  };
  const withServices = new Set(requested);
  const files = [...requested, ...needed].toSorted(compareText).map((path): FileModel => {
    const file = registry.getFile(path)!;
    const isRequested = withServices.has(path);
    return {
      path,
      package: file.proto.package,
      requested: isRequested,
      services: isRequested ? file.services.map((service) => serviceModel(service)) : [],
    };
  });
  let declarations: Declarations | undefined;
  const declared = (): Declarations => (declarations ??= declarationsOf(registry, files, typeModel));
  return {
    version: MODEL_VERSION,
    files,
    // Made when a target asks for them: most runs write channels only, and a large schema has ten thousands of fields.
    get messages() {
      return declared().messages;
    },
    get enums() {
      return declared().enums;
    },
  };

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
      request: typeModel(method.input),
      response: typeModel(method.output),
      contract,
      errors: errorModels(method),
      ...(policy !== undefined && { policy }),
      key: namesInAddress(contract.address ?? "").map((name) => {
        const field = fieldNamed(method.input, name)!;
        return { property: field.localName, optional: field.presence === FeatureSet_FieldPresence.EXPLICIT };
      }),
      comment: commentOf(method),
      deprecated: method.deprecated,
    };
  }

  function errorModels(method: DescMethod): readonly ErrorModel[] {
    return errorsOf(method).map(({ rule, property, detail }) => ({
      reason: rule.reason,
      domain: method.parent.typeName,
      property,
      code: codeOf(rule.code),
      message: rule.message || rule.reason,
      ...(detail !== undefined && { detail: typeModel(detail) }),
    }));
  }

  function typeModel(desc: DescMessage | DescEnum): TypeModel {
    const path = desc.file.proto.name;
    const module = asked.has(path) ? undefined : wktPublicImportPaths[path];
    return {
      typeName: desc.typeName,
      file: path,
      ...(module !== undefined && { module }),
      type: namesIn(desc.file).type(desc),
      schema: namesIn(desc.file).descriptor(desc),
    };
  }
}
