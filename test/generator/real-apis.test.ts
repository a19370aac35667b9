// Schemas that nobody here wrote: the generated code of real public APIs compiles, with every strict flag there is.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { type Model, type Target, generate } from "@raceway/generator";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const protos = dirname(createRequire(import.meta.url).resolve("google-proto-files/package.json"));

/** Folders of google-proto-files; each has at least one service. */
const apis = [
  "google/pubsub/v1",
  "google/bigtable/v2",
  "google/cloud/speech",
  "google/firestore/v1",
  "google/storage/v2",
  "google/spanner/v1",
  "google/logging/v2",
];

test.each([
  { importExtension: "js", options: {} },
  { importExtension: "none", options: { module: "esnext", moduleResolution: "bundler" } },
] as const)(
  "generated code of seven public APIs compiles, with import extension $importExtension",
  async ({ importExtension, options }) => {
    using folder = new CodeFolder();
    let model: Model | undefined;
    const spy: Target = {
      name: "spy",
      contract: 1,
      generate: (given) => {
        model = given;
        return [];
      },
    };
    const inputs = apis.map((api) => join(protos, api));
    const result = await generate({
      inputs,
      protoPath: [protos],
      out: folder.path,
      importExtension,
      targets: ["es", "ts", spy],
    });
    expect(result.diagnostics).toEqual([]);
    const channels = model!.files.flatMap((file) => file.services).flatMap((service) => service.channels);
    expect(new Set(channels.map((channel) => channel.shape))).toEqual(
      new Set(["unary", "server_streaming", "client_streaming", "bidi_streaming"]),
    );
    expect(channels.length).toBeGreaterThan(100);
    for (const api of apis)
      expect(
        result.changes.some(({ path }) => path.startsWith(api) && path.endsWith(".client.ts")),
        api,
      ).toBe(true);
    expect(folder.typeErrors(options)).toEqual([]);
  },
  180_000,
);
