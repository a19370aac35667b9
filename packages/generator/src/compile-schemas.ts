// Schemas as text to what a target gets: for tests of targets.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Model, Target, TargetContext } from "@raceway/core/target";
import { GenerateFailure } from "./failure.ts";
import { formatDiagnostics } from "./format-diagnostic.ts";
import { type GenerateOptions, generate } from "./generate.ts";

/** `schemas` are texts by import path; buf compiles them unless `compiler` is said. What is wrong with them is thrown as a `GenerateFailure`. Writes to a temporary folder alone. */
export async function compileSchemas(
  schemas: Readonly<Record<string, string>>,
  { compiler }: Pick<GenerateOptions, "compiler"> = {},
): Promise<{ readonly model: Model; readonly context: TargetContext }> {
  const folder = mkdtempSync(join(tmpdir(), "raceway-schemas-"));
  try {
    for (const [path, text] of Object.entries(schemas)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    let given: { readonly model: Model; readonly context: TargetContext } | undefined;
    const taker: Target = {
      name: "taker",
      contract: 1,
      generate(model, context) {
        given = { model, context };
        return [];
      },
    };
    const places = { inputs: [folder], protoPath: [folder], out: join(folder, "out"), cwd: folder };
    const options = { ...places, check: true, ...(compiler !== undefined && { compiler }) };
    const { diagnostics } = await generate({ ...options, targets: [taker] });
    if (given === undefined) throw new GenerateFailure("usage", formatDiagnostics(diagnostics, "text"));
    return given;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
