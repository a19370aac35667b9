// The target `query`: beside what `ts` writes, `*.query.ts` with the channels of each service as options for TanStack Query.
import type { ChannelModel, FileModel, ImportExtension, OutputFile, ServiceModel, Target } from "@raceway/core/target";
import { outputPath } from "../../output-path.ts";
import { isFailing } from "../ts/contract.ts";
import { Imports } from "../ts/imports.ts";
import { type ServiceNames, clientMethod, nameServices, propertyAccess, propertyName } from "../ts/names.ts";
import { codeWriter, withImports, writeComment } from "../ts/writer.ts";

const RUNTIME = "@raceway/query";

/** What @raceway/query has for a channel: the function that makes its options, and their type. */
interface Maker {
  readonly run: string;
  readonly type: string;
}

/** Of each schema file with channels that can be queries `*.query.ts`, which imports what the target `ts` writes. */
export function query(): Target {
  return {
    name: "query",
    contract: 1,
    perFile: true,
    *generate(model, { importExtension }): Generator<OutputFile> {
      for (const file of model.files) {
        if (!file.services.some(hasQueries)) continue;
        yield { path: outputPath(file.path, ".query"), source: file.path, text: queryFile(file, importExtension) };
      }
    },
  };
}

function queryFile(file: FileModel, extension: ImportExtension): string {
  const named = [...nameServices(file.services)].filter(([service]) => hasQueries(service));
  const own = named.flatMap(([, names]) => [queriesName(names.client), queriesName(names.connect)]);
  const imports = new Imports(file.path, extension, own);
  const writer = codeWriter();
  for (const [service, names] of named) writeService(service, names);
  return withImports(imports, writer);

  function writeService(service: ServiceModel, names: ServiceNames): void {
    const channels = service.channels.flatMap((channel) => {
      const maker = makerOf(channel);
      return maker === undefined ? [] : [{ channel, maker }];
    });
    const type = queriesName(names.client);
    writeComment(writer, service.comment, service.deprecated);
    writer.writeLine(`export interface ${type} {`);
    writer.indent(() => {
      for (const { channel, maker } of channels) {
        const parameters = [
          imports.messageSchema(channel.request),
          imports.messageSchema(channel.response),
          ...(isFailing(channel) ? [imports.generatedName(file.path, ".client", names.errorType(channel))] : []),
        ];
        writeComment(writer, channel.comment, channel.deprecated);
        writer.writeLine(
          `readonly ${propertyName(clientMethod(channel))}: ${imports.type(RUNTIME, maker.type)}<${parameters.join(", ")}>;`,
        );
      }
    });
    writer.writeLine("}").blankLine();
    const transport = imports.type("@connectrpc/connect", "Transport");
    writeComment(
      writer,
      [`Channels of ${service.name} over one connection, as options for TanStack Query.`],
      service.deprecated,
    );
    writer.writeLine(`export function ${queriesName(names.connect)}(connection: ${transport}): ${type} {`);
    writer.indent(() => {
      writer
        .write("return ")
        .inlineBlock(() => {
          for (const { channel, maker } of channels) {
            const descriptor = imports.generatedValue(file.path, "_pb", service.descriptor);
            const passed = [
              "connection",
              `${descriptor}.method${propertyAccess(channel.localName)}`,
              imports.generatedValue(file.path, ".contract", names.channel(channel)),
              ...(isFailing(channel) ? [imports.generatedValue(file.path, ".client", names.error(channel))] : []),
            ];
            writer.writeLine(
              `${propertyName(clientMethod(channel))}: ${imports.value(RUNTIME, maker.run)}(${passed.join(", ")}),`,
            );
          }
        })
        .write(";")
        .newLine();
    });
    writer.writeLine("}").blankLine();
  }
}

/** "RoomQueries" of "RoomClient": different wherever those are. */
function queriesName(client: string): string {
  return client.replace(/Client(?=\$*$)/, "Queries");
}

function hasQueries(service: ServiceModel): boolean {
  return service.channels.some((channel) => makerOf(channel) !== undefined);
}

/** Undefined: what a client goes on sending has no place in a cache of answers. */
function makerOf({ contract, shape }: ChannelModel): Maker | undefined {
  switch (contract.kind) {
    case "call":
      if (shape !== "unary") return undefined;
      // By that mark the schema says that it has effects, which happen once however often it is sent.
      return contract.idempotency === "idempotent"
        ? { run: "callMutations", type: "CallMutations" }
        : { run: "callQueries", type: "CallQueries" };
    case "feed":
      return { run: "feedQueries", type: "FeedQueries" };
    case "topic":
    case "state":
      return { run: "topicQueries", type: "TopicQueries" };
    case "queue":
    case "duplex":
    case "signal":
      return undefined;
  }
}
