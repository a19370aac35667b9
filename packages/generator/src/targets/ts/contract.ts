// `*.contract.ts`: what both sides know of each channel, as constants.
import type { ChannelContract } from "@raceway/core";
import type { FileModel, ImportExtension } from "@raceway/core/target";
import { Imports } from "./imports.ts";
import { type Literal, literal } from "./literal.ts";
import { nameServices, propertyName } from "./names.ts";
import { codeWriter, withImports, writeComment } from "./writer.ts";

export function contractFile(file: FileModel, extension: ImportExtension): string {
  const named = nameServices(file.services);
  const own = [...named].flatMap(([service, names]) => [
    names.contract,
    ...service.channels.map((channel) => names.channel(channel)),
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
    });
    writer.writeLine("};");
    writer.blankLine();
  }
  return withImports(imports, writer);
}

function contractLiteral(contract: ChannelContract): Literal {
  return contract as unknown as Literal; // an interface without an index signature, but plain data all the same
}
