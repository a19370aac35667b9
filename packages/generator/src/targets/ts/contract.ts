// `*.contract.ts`: what both sides know of each channel, as constants.
import type { ChannelContract } from "@raceway/core";
import type { ChannelModel, ErrorModel, FileModel, ImportExtension } from "@raceway/core/target";
import { Imports } from "./imports.ts";
import { type Literal, literal, textLiteral } from "./literal.ts";
import { nameServices, propertyName, upperFirst } from "./names.ts";
import { codeWriter, withImports, writeComment } from "./writer.ts";

export function contractFile(file: FileModel, extension: ImportExtension): string {
  const named = nameServices(file.services);
  const own = [...named].flatMap(([service, names]) => [
    names.contract,
    ...service.channels.map((channel) => names.channel(channel)),
    ...service.channels.filter(isFailing).map((channel) => names.errors(channel)),
  ]);
  const imports = new Imports(file.path, extension, own);
  const writer = codeWriter();
  for (const [service, names] of named) {
    const descriptor = imports.generatedValue(file.path, "_pb", service.descriptor);
    const contractType = imports.type("@raceway/core", "ServiceContract");
    for (const channel of service.channels) {
      const start = `export const ${names.channel(channel)}: ${imports.type("@raceway/core", "ChannelContract")} = `;
      writeComment(writer, [`Contract of ${channel.path.slice(1)}.`], channel.deprecated);
      writer.writeLine(`${start}${literal(contractLiteral(channel.contract), 119 - start.length, "")};`);
      writer.blankLine();
      if (isFailing(channel)) writeErrors(channel, names.errors(channel));
    }
    writeComment(writer, service.comment, service.deprecated);
    writer.writeLine(`export const ${names.contract}: ${contractType}<typeof ${descriptor}> = {`);
    writer.indent(() => {
      writer.writeLine(`service: ${descriptor},`);
      if (service.channels.length === 0) writer.writeLine("channels: {},");
      else
        writer
          .write("channels: ")
          .inlineBlock(() => {
            for (const channel of service.channels)
              writer.writeLine(`${propertyName(channel.localName)}: ${names.channel(channel)},`);
          })
          .write(",")
          .newLine();
      const failing = service.channels.filter(isFailing);
      if (failing.length > 0)
        writer
          .write("errors: ")
          .inlineBlock(() => {
            for (const channel of failing)
              writer.writeLine(`${propertyName(channel.localName)}: ${names.errors(channel)},`);
          })
          .write(",")
          .newLine();
    });
    writer.writeLine("};");
    writer.blankLine();
  }
  return withImports(imports, writer);

  function writeErrors(channel: ChannelModel, name: string): void {
    const declaration = imports.type("@raceway/core", "ErrorDeclaration");
    const code = imports.value("@connectrpc/connect", "Code");
    writeComment(writer, [`Errors that ${channel.path.slice(1)} declares.`], channel.deprecated);
    writer.writeLine(`export const ${name}: {`);
    writer.indent(() => {
      for (const { reason, property, message, detail } of channel.errors) {
        const type = detail === undefined ? "undefined" : imports.messageSchema(detail);
        writeComment(writer, message === reason ? [] : message.split(LINE_END));
        writer.writeLine(`readonly ${propertyName(property)}: ${declaration}<${JSON.stringify(reason)}, ${type}>;`);
      }
    });
    writer.writeLine("} = {");
    writer.indent(() => {
      for (const error of channel.errors) {
        writer.writeLine(`${propertyName(error.property)}: {`);
        writer.indent(() => {
          writer.writeLine(`domain: ${JSON.stringify(error.domain)},`);
          writer.writeLine(`reason: ${JSON.stringify(error.reason)},`);
          writer.writeLine(`code: ${code}.${codeName(error)},`);
          writer.writeLine(`message: ${textLiteral(error.message)},`);
          writer.writeLine(
            `detail: ${error.detail === undefined ? "undefined" : imports.messageDescriptor(error.detail)},`,
          );
        });
        writer.writeLine("},");
      }
    });
    writer.writeLine("};");
    writer.blankLine();
  }
}

const LINE_END = /\r\n|[\n\r\u2028\u2029]/;

export function isFailing({ errors }: ChannelModel): boolean {
  return errors.length > 0;
}

/** "ResourceExhausted", as in Connect's `Code`. */
function codeName({ code }: ErrorModel): string {
  return code.split("_").map(upperFirst).join("");
}

function contractLiteral(contract: ChannelContract): Literal {
  return contract as unknown as Literal; // an interface without an index signature, but plain data all the same
}
