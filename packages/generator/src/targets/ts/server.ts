// `*.server.ts`: what handlers have to be, what there is to publish with, and the policy. Never imported by a client.
import type { ChannelPolicy } from "@raceway/core";
import type { ChannelModel, FileModel, ImportExtension, ServiceModel } from "@raceway/core/target";
import { isFailing } from "./contract.ts";
import { handlerShape, isPublished } from "./handler-shape.ts";
import { Imports } from "./imports.ts";
import { type Literal, literal } from "./literal.ts";
import { type ServiceNames, nameServices, propertyName } from "./names.ts";
import { codeWriter, withImports, writeComment, writeSignature } from "./writer.ts";

export function serverFile(file: FileModel, extension: ImportExtension): string {
  const named = nameServices(file.services);
  const own = [...named.values()].flatMap((names) => [names.handlers, names.publishers, names.definition]);
  const imports = new Imports(file.path, extension, own);
  const writer = codeWriter();
  for (const [service, names] of named) writeService(service, names);
  return withImports(imports, writer);

  function writeService(service: ServiceModel, names: ServiceNames): void {
    const handled = service.channels.filter((channel) => !isPublished(channel));
    const published = service.channels.filter(isPublished);
    writeComment(writer, service.comment, service.deprecated);
    if (handled.length === 0) writer.writeLine(`export type ${names.handlers} = Record<string, never>;`);
    else {
      writer.writeLine(`export interface ${names.handlers} {`);
      writer.indent(() => handled.forEach((channel) => writeHandler(channel, names)));
      writer.writeLine("}");
    }
    writer.blankLine();
    writeComment(writer, ["What `app.serve` gives back to publish with."]);
    if (published.length === 0) writer.writeLine(`export type ${names.publishers} = Record<string, never>;`);
    else {
      writer.writeLine(`export interface ${names.publishers} {`);
      writer.indent(() => published.forEach(writePublisher));
      writer.writeLine("}");
    }
    writer.blankLine();
    const definition = `${imports.type("@raceway/core", "ServiceDefinition")}<${names.handlers}, ${names.publishers}>`;
    writeComment(writer, [`${service.name}, for \`app.serve\`.`], service.deprecated);
    writer.writeLine(`export const ${names.definition}: ${definition} = {`);
    writer.indent(() => {
      writer.writeLine(`contract: ${imports.generatedValue(file.path, ".contract", names.contract)},`);
      writer.writeLine(`policy: ${literal(policiesOf(service), 0, "")},`);
    });
    writer.writeLine("};");
    writer.blankLine();
  }

  function writeHandler(channel: ChannelModel, names: ServiceNames): void {
    const request = imports.messageType(channel.request);
    const init = (): string =>
      `${imports.type("@bufbuild/protobuf", "MessageInitShape")}<${imports.messageSchema(channel.response)}>`;
    const failing = isFailing(channel)
      ? `<${imports.generatedType(file.path, ".contract", names.errors(channel))}>`
      : "";
    const context = `context: ${imports.type("@raceway/server", "CallContext")}${failing}`;
    const { parameter, takes, gives } = handlerShape(channel);
    const taken = takes === "stream" ? `AsyncIterable<${request}>` : request;
    const returned = {
      message: (): string => `${init()} | Promise<${init()}>`,
      stream: (): string => `AsyncIterable<${init()}>`,
      nothing: (): string => "void | Promise<void>",
    }[gives]();
    writeComment(writer, channel.comment, channel.deprecated);
    writeSignature(writer, propertyName(channel.localName), [`${parameter}: ${taken}`, context], returned, ";");
  }

  function writePublisher(channel: ChannelModel): void {
    const key = channel.key.map(({ property, optional }) => {
      const type = `${imports.messageType(channel.request)}[${JSON.stringify(property)}]`;
      return `readonly ${propertyName(property)}: ${optional ? `NonNullable<${type}>` : type}`;
    });
    const keyType = key.length === 0 ? "Record<string, never>" : `{ ${key.join("; ")} }`;
    const init = `${imports.type("@bufbuild/protobuf", "MessageInitShape")}<${imports.messageSchema(channel.response)}>`;
    writeComment(writer, channel.comment, channel.deprecated);
    writer.writeLine(
      `readonly ${propertyName(channel.localName)}: ${imports.type("@raceway/server", "TopicPublisher")}<${keyType}, ${init}>;`,
    );
  }
}

function policiesOf(service: ServiceModel): Literal {
  const entries = service.channels.flatMap((channel) =>
    channel.policy === undefined ? [] : [[channel.localName, policyLiteral(channel.policy)] as const],
  );
  return Object.fromEntries(entries);
}

function policyLiteral(policy: ChannelPolicy): Literal {
  return policy as unknown as Literal; // an interface without an index signature, but plain data all the same
}
