// The compliance kit of targets: all built-in targets pass it, and each broken one is caught by the case that is meant for it.
import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { Model, OutputFile, Target } from "@raceway/core/target";
import {
  bufCompiler,
  builtInTarget,
  builtInTargets,
  type CompileResult,
  compileSchemas,
  jsonSchema,
  openapi,
  type SchemaCompiler,
} from "@raceway/generator";
import { RuleBroken, runCases, targetCases, type TargetSubject } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { describe, expect, test, vi } from "vitest";

// A compiler takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

/** Starts buf once for the same schemas; what it said is read anew each time, so that no target sees what another did with it. */
class RememberingCompiler implements SchemaCompiler {
  readonly name = "buf";
  readonly #known = new Map<string, Promise<CompileResult>>();

  async compile(...[sources, files, signal]: Parameters<SchemaCompiler["compile"]>): Promise<CompileResult> {
    const schemas = JSON.stringify(files.map((file) => [file, sources.text(file)]));
    let known = this.#known.get(schemas);
    if (known === undefined) this.#known.set(schemas, (known = bufCompiler().compile(sources, files, signal)));
    const result = await known;
    if (!result.ok) return result;
    return { ok: true, set: fromBinary(FileDescriptorSetSchema, toBinary(FileDescriptorSetSchema, result.set)) };
  }
}

const compiler = new RememberingCompiler();
/** As the kit has it of the generator, but for the start of buf, dozens of times for each target. */
const compile: TargetSubject["compile"] = (schemas) => compileSchemas(schemas, { compiler });

const refused: Readonly<Record<string, readonly (() => unknown)[]>> = {
  "json-schema": [() => jsonSchema({ close: true } as object)],
  openapi: [() => openapi({ titel: "x" } as object), () => openapi({ server: 1 as unknown as string })],
};

/** The bridge is as pure as what it leads to. */
const own = builtInTargets.filter((name) => name !== "protoc");

describe.each(own)("target %s", (name) =>
  registerCases(
    targetCases({
      create: () => builtInTarget(name),
      // One has it as authors of targets do.
      compile: name === "es" ? compileSchemas : compile,
      ...(refused[name] !== undefined && { refused: refused[name] }),
    }),
  ),
);

/** A target as it should be: the names of services, with their comments. */
function* listed(model: Model): Generator<OutputFile> {
  for (const { path, services } of model.files)
    yield { path: `${path}.txt`, source: path, text: services.map(({ name }) => name).join("\n") };
}

function list(generate: Target["generate"] = listed, more: object = {}): () => Target {
  return () => ({ name: "list", contract: 1, generate, ...more });
}

const changing = (change: (file: OutputFile) => Partial<OutputFile>): Target["generate"] =>
  function* (model) {
    for (const file of listed(model)) yield { ...file, ...change(file) };
  };

let runs = 0;
const broken: readonly (readonly [fault: string, create: () => Target, caughtBy: string])[] = [
  ["has a name with a blank", list(listed, { name: "My list" }), "has a name"],
  ["speaks another contract", list(listed, { contract: 2 }), "has a name"],
  ["writes nothing", list(() => []), "writes something"],
  ["counts its runs", list(changing(() => ({ text: String(runs++) }))), "gives the same files again"],
  ["writes the date", list(changing(() => ({ text: new Date().toISOString() }))), "does not ask for the time"],
  ["writes the time", list(changing(() => ({ text: String(Date.now()) }))), "does not ask for the time"],
  ["leaves it to chance", list(changing(() => ({ text: String(Math.random()) }))), "does not ask for the time"],
  [
    "sorts the model's own list",
    list((model) => {
      (model.files as Model["files"][number][]).reverse();
      return listed(model);
    }),
    "changes nothing",
  ],
  [
    "remembers models by identity",
    list((model) =>
      [...listed(model)].map((file) => ({
        ...file,
        text: Object.getOwnPropertyDescriptor(model, "messages")!.get ? "" : "x",
      })),
    ),
    "needs nothing of the model but its data",
  ],
  ["leads out of the folder", list(changing(({ path }) => ({ path: `../${path}` }))), "names files inside"],
  ["names an absolute path", list(changing(({ path }) => ({ path: `/${path}` }))), "names files inside"],
  ["writes one file for all", list(changing(() => ({ path: "all.txt" }))), "names files inside"],
  ["invents a source", list(changing(() => ({ source: "gone.proto" }))), "says of each file"],
  ["ends lines as Windows does", list(changing(() => ({ text: "a\r\n" }))), "writes lines"],
  [
    "writes JSON by hand",
    list((model) =>
      model.messages.map(({ typeName, file, comment }) => ({
        path: `${typeName}.json`,
        source: file,
        text: `{ "comment": "${comment.join("\\n")}" }`,
      })),
    ),
    "writes JSON that can be read",
  ],
  [
    "writes comments as they are",
    list((model) =>
      model.files.map(({ path, services }) => ({
        path: `${path}.ts`,
        source: path,
        text: services
          .flatMap(({ channels }) => channels)
          .map(({ comment }) => `/** ${comment.join("\n")} */\n// ${comment.join("\n")}\n`)
          .join(""),
      })),
    ),
    "keeps comments",
  ],
  [
    "writes comments as markup",
    list((model) =>
      model.files.map(({ path, services }) => ({
        path: `${path}.md`,
        source: path,
        text: services.map(({ comment }) => comment.join("\n")).join("\n"),
      })),
    ),
    "keeps comments",
  ],
  [
    "says perFile and lists all files",
    list(
      (model) => [...listed(model)].map((file) => ({ ...file, text: model.files.map(({ path }) => path).join("\n") })),
      {
        perFile: true,
      },
    ),
    "writes for one file what",
  ],
  [
    "wants a channel",
    list((model) => [{ path: model.files[0]!.services[0]!.channels[0]!.name, source: model.files[0]!.path, text: "" }]),
    "does not mind",
  ],
];

test.each(broken)("a target that %s is caught", async (_, create, caughtBy) => {
  const meant = targetCases({ create, compile }).filter(({ name }) => name.startsWith(caughtBy));
  const { results } = await runCases(meant, () => undefined);
  expect(results.map(({ outcome }) => outcome)).toEqual(["failed"]);
});

test("options that nobody refuses are caught, and the target as it should be is not", async () => {
  const cases = targetCases({ create: list(), compile, refused: [() => undefined] });
  const failing = cases.find(({ name }) => name.startsWith("refuses wrong options"))!;
  await expect(failing.run()).rejects.toThrow(RuleBroken);
  const { failed, leftOut } = await runCases(targetCases({ create: list(), compile }), () => undefined);
  expect({ failed, leftOut }).toEqual({ failed: 0, leftOut: 2 });
});
