// The compliance kit of targets: all built-in targets pass it, and each broken one is caught by the case that is meant for it.
import type { Model, OutputFile, Target } from "@raceway/core/target";
import { builtInTarget, builtInTargets, compileSchemas, jsonSchema, openapi } from "@raceway/generator";
import { RuleBroken, runCases, targetCases } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { describe, expect, test, vi } from "vitest";

// Each case starts a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

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
      compile: compileSchemas,
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
  const cases = targetCases({ create, compile: compileSchemas });
  const { results } = await runCases(cases, () => undefined);
  const failed = results.filter(({ outcome }) => outcome === "failed").map(({ name }) => name);
  expect(
    failed.some((name) => name.startsWith(caughtBy)),
    `caught by: ${failed.join("; ") || "nothing"}`,
  ).toBe(true);
});

test("options that nobody refuses are caught, and the target as it should be is not", async () => {
  const cases = targetCases({ create: list(), compile: compileSchemas, refused: [() => undefined] });
  const failing = cases.find(({ name }) => name.startsWith("refuses wrong options"))!;
  await expect(failing.run()).rejects.toThrow(RuleBroken);
  const { failed, leftOut } = await runCases(targetCases({ create: list(), compile: compileSchemas }), () => undefined);
  expect({ failed, leftOut }).toEqual({ failed: 0, leftOut: 2 });
});
