// The handlers of `grpc.reflection.v1.ServerReflection`, and of v1alpha, which is the same under another name: older tools ask for it.
// https://github.com/grpc/grpc/blob/master/doc/server-reflection.md
import { type DescService, type MessageInitShape, clone, create, createFileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code } from "@connectrpc/connect";
import { type ServiceContract, transportName } from "@raceway/core";
import type { CallContext } from "../call-context.ts";
import type { ServedChannel } from "../channel.ts";
import { Health } from "../gen/grpc/health/v1/health_pb.ts";
import {
  ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponseSchema,
  file_grpc_reflection_v1_reflection,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { type ServedFile, ServedFiles } from "./served-files.ts";

/** What an answer may have in imports beside the file that was asked for, in bytes; the rest is asked for by name. */
const IMPORT_BYTES = 256 * 1024;
/** What an error repeats of a question, in characters. */
const SHOWN = 200;

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

interface ReflectionHandlers {
  serverReflectionInfo(
    requests: AsyncIterable<ServerReflectionRequest>,
    context: CallContext,
  ): AsyncIterable<MessageInitShape<typeof ServerReflectionResponseSchema>>;
}

/** What is served where, as reflection needs it. */
export interface Reflected {
  readonly channels: readonly ServedChannel[];
}

/** One entry per name of the service. */
export function reflectionServices(
  app: Reflected,
  policies: boolean,
): readonly { readonly contract: ServiceContract; readonly handlers: ReflectionHandlers }[] {
  let files: ServedFiles | undefined;
  const handlers: ReflectionHandlers = {
    async *serverReflectionInfo(requests, context) {
      files ??= new ServedFiles(app.channels, [Health], policies);
      const told = new Set<string>();
      const isNative = context.get(transportName) === "native";
      for await (const request of requests)
        yield {
          validHost: request.host,
          originalRequest: { host: request.host, messageRequest: request.messageRequest },
          messageResponse: answer(request.messageRequest, { app, files, told, isNative }),
        };
    },
  };
  return [ServerReflection, alpha()].map((service) => ({
    contract: { service, channels: { [service.methods[0]!.localName]: { kind: "duplex" } } },
    handlers,
  }));
}

interface Asked {
  readonly app: Reflected;
  readonly files: ServedFiles;
  /** Files that this stream was given. */
  readonly told: Set<string>;
  readonly isNative: boolean;
}

function answer(question: ServerReflectionRequest["messageRequest"], asked: Asked): Answer {
  const { files, app } = asked;
  switch (question.case) {
    case "listServices": {
      const names = new Set(app.channels.map(({ service }) => service.typeName));
      if (asked.isNative) names.add(Health.typeName); // it is at the gRPC door alone
      return {
        case: "listServicesResponse",
        value: { service: [...names].sort().map((name) => ({ name })) },
      };
    }
    case "fileByFilename":
      return fileAnswer(files.named(question.value), `file ${question.value}`, asked);
    case "fileContainingSymbol":
      return fileAnswer(files.declaring(question.value), question.value, asked);
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = question.value;
      const what = `extension ${extensionNumber} of ${containingType}`;
      return fileAnswer(files.extending(containingType, extensionNumber), what, asked);
    }
    case "allExtensionNumbersOfType": {
      const extensionNumber = files.extensionsOf(question.value);
      if (extensionNumber === undefined) return refusal(Code.NotFound, `There is no ${shown(question.value)} here.`);
      return {
        case: "allExtensionNumbersResponse",
        value: { baseTypeName: question.value, extensionNumber: [...extensionNumber] },
      };
    }
    case undefined:
      return refusal(Code.InvalidArgument, "The request asks for nothing. Set one field of message_request.");
  }
}

/** The file, and those of its imports that the stream was not given before. */
function fileAnswer(file: ServedFile | undefined, what: string, { files, told }: Asked): Answer {
  if (file === undefined) return refusal(Code.NotFound, `There is no ${shown(what)} here.`);
  told.add(file.name);
  const given = [file];
  let bytes = 0;
  for (const { imports } of given) {
    for (const name of imports) {
      const one = told.has(name) ? undefined : files.named(name);
      if (one === undefined || bytes + one.bytes.length > IMPORT_BYTES) continue;
      bytes += one.bytes.length;
      told.add(name);
      given.push(one);
    }
  }
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: given.map((one) => one.bytes) } };
}

function refusal(errorCode: Code, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}

function shown(text: string): string {
  return JSON.stringify(text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text);
}

function alpha(): DescService {
  const renamed = (name: string): string => name.replace("grpc.reflection.v1.", "grpc.reflection.v1alpha.");
  const file = clone(FileDescriptorProtoSchema, file_grpc_reflection_v1_reflection.proto);
  file.name = "grpc/reflection/v1alpha/reflection.proto";
  file.package = "grpc.reflection.v1alpha";
  for (const { field } of file.messageType) for (const one of field) one.typeName = renamed(one.typeName);
  for (const { method } of file.service)
    for (const one of method) [one.inputType, one.outputType] = [renamed(one.inputType), renamed(one.outputType)];
  const set = create(FileDescriptorSetSchema, { file: [file] });
  return createFileRegistry(set).getService("grpc.reflection.v1alpha.ServerReflection")!;
}
