// The target `mock`: beside what `ts` writes, `*.mock.ts` with stand-ins for each service, on either side, for tests and previews.
import type { FileModel, ImportExtension, OutputFile, ServiceModel, Target } from "@raceway/core/target";
import { outputPath } from "../../output-path.ts";
import { Imports } from "../ts/imports.ts";
import { type ServiceNames, nameServices } from "../ts/names.ts";
import { codeWriter, withImports, writeComment, writeSignature } from "../ts/writer.ts";

const RUNTIME = "@raceway/testing/mock";

/** Of each schema file with services `*.mock.ts`, which imports what the target `ts` writes. */
export function mock(): Target {
  return {
    name: "mock",
    contract: 1,
    perFile: true,
    *generate(model, { importExtension }): Generator<OutputFile> {
      for (const file of model.files) {
        if (file.services.length === 0) continue;
        yield { path: outputPath(file.path, ".mock"), source: file.path, text: mockFile(file, importExtension) };
      }
    },
  };
}

function mockFile(file: FileModel, extension: ImportExtension): string {
  const named = nameServices(file.services);
  const own = [...named.values()].flatMap((names) => [`mock${names.handlers}`, `mock${names.client}`]);
  const imports = new Imports(file.path, extension, [...own, "Partial", "answers"]);
  const writer = codeWriter();
  for (const [service, names] of named) writeService(service, names);
  return withImports(imports, writer);

  function writeService({ name, deprecated }: ServiceModel, names: ServiceNames): void {
    const contract = imports.generatedValue(file.path, ".contract", names.contract);
    const handlers = imports.generatedName(file.path, ".server", names.handlers);
    const client = imports.generatedName(file.path, ".client", names.client);
    const connect = imports.generatedValue(file.path, ".client", names.connect);
    writeComment(
      writer,
      [`Handlers of ${name} that answer with samples, for \`app.serve\`; what \`answers\` has wins.`],
      deprecated,
    );
    writeFunction(
      `mock${names.handlers}`,
      handlers,
      `${imports.value(RUNTIME, "mockService")}<${handlers}, object>({ contract: ${contract} }, answers).handlers`,
    );
    writeComment(
      writer,
      [`A client of ${name} that needs no server and answers with samples; what \`answers\` has wins.`],
      deprecated,
    );
    writeFunction(
      `mock${names.client}`,
      client,
      `${imports.value(RUNTIME, "mockClient")}(${connect}, ${contract}, answers)`,
    );
  }

  function writeFunction(name: string, type: string, returned: string): void {
    writeSignature(writer, `export function ${name}`, [`answers?: Partial<${type}>`], type, " {");
    writer.indent(() => writer.writeLine(`return ${returned};`));
    writer.writeLine("}").blankLine();
  }
}
