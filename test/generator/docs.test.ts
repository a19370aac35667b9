// The excerpts in docs/generated-code.md are what the generator writes.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { generate } from "@raceway/generator";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/generated-code.md"), "utf8");
const protos = dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"));

test("every excerpt that names a file is in that file, in order", async () => {
  using folder = new CodeFolder();
  await generate({ inputs: [join(protos, "google/pubsub/v1/pubsub.proto")], out: folder.path });
  const schemas = join(import.meta.dirname, "../schemas");
  const inputs = ["chat", "club"].map((name) => join(schemas, name));
  await generate({ inputs, protoPath: [schemas], out: folder.path, targets: ["es", "ts", "query", "mock"] });
  const excerpts = [...page.matchAll(/^```ts\n\/\/ (\S+\.ts)\n([^]*?)^```$/gm)];
  expect(new Set(excerpts.map(([, file]) => file)).size).toBe(11);
  for (const [, file, text] of excerpts) {
    const code = folder.read(file!);
    let from = 0;
    for (const part of text!.split("// …\n")) {
      const at = code.indexOf(part, from);
      expect(at, `${file}: ${part}`).toBeGreaterThanOrEqual(0);
      from = at + part.length;
    }
  }
}, 60_000);

test("the figures are right", async () => {
  const schema = readFileSync(join(protos, "google/pubsub/v1/pubsub.proto"), "utf8");
  expect(schema.match(/^service /gm)).toHaveLength(2);
  expect(schema.match(/^ {2}rpc /gm)).toHaveLength(25);
});
