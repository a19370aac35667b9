// `*.client.ts`: a client of each service, and a function of each channel.
import type { ChannelModel, FileModel, ImportExtension, ServiceModel } from "@raceway/core/target";
import { isFailing } from "./contract.ts";
import { Imports } from "./imports.ts";
import { type ServiceNames, clientMethod, nameServices, propertyAccess, propertyName } from "./names.ts";
import { type CodeBlockWriter, codeWriter, withImports, writeComment, writeSignature } from "./writer.ts";

const RUNTIME = "@raceway/client";

/** One call: what it takes, beside the connection, and what comes back. */
interface Call {
  /** The function of the runtime that does it. */
  readonly run: string;
  /** Name and type of what is sent; undefined if the result is what it is sent with. */
  readonly sent: { readonly name: string; readonly type: string } | undefined;
  readonly options: string;
  readonly returned: string;
}

export function clientFile(file: FileModel, extension: ImportExtension): string {
  const named = nameServices(file.services);
  const own = [...named].flatMap(([service, names]) => [
    names.client,
    names.connect,
    ...service.channels.map((channel) => names.call(channel)),
    ...service.channels.filter(isFailing).flatMap((channel) => [names.error(channel), names.errorType(channel)]),
  ]);
  const imports = new Imports(file.path, extension, own);
  const writer = codeWriter();
  for (const [service, names] of named) writeService(service, names);
  return withImports(imports, writer);

  function writeService(service: ServiceModel, names: ServiceNames): void {
    const transport = imports.type("@connectrpc/connect", "Transport");
    const calls = service.channels.map((channel) => ({ channel, call: callOf(channel, imports) }));
    writeComment(writer, service.comment, service.deprecated);
    writeBlock(writer, `export interface ${names.client}`, calls, ({ channel, call }) => {
      writeComment(writer, channel.comment, channel.deprecated);
      writeSignature(writer, propertyName(clientMethod(channel)), parametersOf(call), call.returned, ";");
    });
    writeComment(writer, [`All channels of ${service.name} over one connection.`], service.deprecated);
    writer.writeLine(
      `export function ${names.connect}(${calls.length === 0 ? "_connection" : "connection"}: ${transport}): ${names.client} {`,
    );
    writer.indent(() => {
      if (calls.length === 0) writer.writeLine("return {};");
      else
        writer
          .write("return ")
          .inlineBlock(() => {
            for (const { channel, call } of calls) {
              const passed = [...(call.sent === undefined ? [] : [call.sent.name]), "options"].join(", ");
              writer.writeLine(
                `${propertyName(clientMethod(channel))}: (${passed}) => ${names.call(channel)}(connection, ${passed}),`,
              );
            }
          })
          .write(";")
          .newLine();
    });
    writer.writeLine("}").blankLine();
    for (const { channel, call } of calls) {
      const descriptor = imports.generatedValue(file.path, "_pb", service.descriptor);
      const contract = imports.generatedValue(file.path, ".contract", names.channel(channel));
      const passed = [
        "connection",
        `${descriptor}.method${propertyAccess(channel.localName)}`,
        contract,
        ...(call.sent === undefined ? [] : [call.sent.name]),
        "options",
      ];
      writeComment(writer, channel.comment, channel.deprecated);
      writeSignature(
        writer,
        `export function ${names.call(channel)}`,
        [`connection: ${transport}`, ...parametersOf(call)],
        call.returned,
        " {",
      );
      writer.indent(() => writer.writeLine(`return ${imports.value(RUNTIME, call.run)}(${passed.join(", ")});`));
      writer.writeLine("}").blankLine();
      if (isFailing(channel)) writeErrors(channel, names);
    }
  }

  function writeErrors(channel: ChannelModel, names: ServiceNames): void {
    const declared = imports.generatedValue(file.path, ".contract", names.errors(channel));
    const type = names.errorType(channel);
    const { deprecated } = channel;
    writeComment(
      writer,
      [
        `What a failed \`${names.call(channel)}\` can be: a declared error, or any other, whose \`reason\` is undefined.`,
      ],
      deprecated,
    );
    writer.writeLine(`export type ${type} = ${imports.type(RUNTIME, "ErrorOf")}<typeof ${declared}>;`).blankLine();
    writeComment(writer, [`Tells what a failed \`${names.call(channel)}\` threw.`], deprecated);
    writer.writeLine(`export function ${names.error(channel)}(error: unknown): ${type} {`);
    writer.indent(() => writer.writeLine(`return ${imports.value(RUNTIME, "declaredError")}(error, ${declared});`));
    writer.writeLine("}").blankLine();
  }
}

function parametersOf(call: Call): readonly string[] {
  return [...(call.sent === undefined ? [] : [`${call.sent.name}: ${call.sent.type}`]), `options?: ${call.options}`];
}

function callOf(channel: ChannelModel, imports: Imports): Call {
  const init = `${imports.type("@bufbuild/protobuf", "MessageInitShape")}<${imports.messageSchema(channel.request)}>`;
  const one = { name: "request", type: init };
  const many = { name: "requests", type: `AsyncIterable<${init}>` };
  const message = (): string => imports.messageType(channel.response);
  const options = (): string => imports.type(RUNTIME, "CallOptions");
  switch (channel.contract.kind) {
    case "call":
      return channel.shape === "unary"
        ? { run: "callUnary", sent: one, options: options(), returned: `Promise<${message()}>` }
        : { run: "callUpload", sent: many, options: options(), returned: `Promise<${message()}>` };
    case "feed":
      return { run: "callFeed", sent: one, options: options(), returned: `AsyncIterable<${message()}>` };
    case "topic":
    case "state":
      return {
        run: "subscribeTopic",
        sent: one,
        options: imports.type(RUNTIME, "TopicOptions"),
        returned: `${imports.type(RUNTIME, "Subscription")}<${message()}>`,
      };
    case "queue":
    case "duplex":
      return { run: "callDuplex", sent: many, options: options(), returned: `AsyncIterable<${message()}>` };
    case "signal":
      return {
        run: "openSignal",
        sent: undefined,
        options: options(),
        returned: `${imports.type(RUNTIME, "SignalSender")}<${init}>`,
      };
  }
}

function writeBlock<T>(writer: CodeBlockWriter, start: string, items: readonly T[], each: (item: T) => void): void {
  if (items.length === 0) writer.writeLine(`${start} {}`);
  else {
    writer.writeLine(`${start} {`);
    writer.indent(() => items.forEach(each));
    writer.writeLine("}");
  }
  writer.blankLine();
}
