// A folder with schemas of a test, and what is generated from them.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { vi } from "vitest";
import {
  type GenerateOptions,
  type GenerateResult,
  type Model,
  type Range,
  type Target,
  type TargetContext,
  formatDiagnostics,
  generate,
} from "../src/index.ts";

// Each generation starts a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

export class SchemaFolder implements Disposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "raceway-test-"));

  constructor(files: Readonly<Record<string, string>>) {
    this.write(files);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), text);
    }
  }

  /** From all that is in `proto`, into `gen`. */
  generate(options: Partial<GenerateOptions> = {}): Promise<GenerateResult> {
    return generate({ inputs: ["proto"], protoPath: ["proto"], out: "gen", cwd: this.path, ...options });
  }

  /** What people are told. */
  async report(options: Partial<GenerateOptions> = {}): Promise<string> {
    return formatDiagnostics((await this.generate(options)).diagnostics, "text");
  }

  /** All but `option_inert`, short: "rule at «text of the place»: what is wrong; how to mend it". */
  async findings(options: Partial<GenerateOptions> = {}): Promise<string> {
    const { diagnostics } = await this.generate(options);
    return diagnostics
      .filter(({ rule }) => rule !== "option_inert")
      .map(
        ({ rule, file, range, message, mend }) => `${rule} at «${textAt(this.read(file), range)}»: ${message}; ${mend}`,
      )
      .join("\n");
  }

  /** What targets get. What was generated before stays. */
  async seen(
    options: Partial<GenerateOptions> = {},
  ): Promise<{ readonly model: Model; readonly context: TargetContext }> {
    let seen: { model: Model; context: TargetContext } | undefined;
    const spy: Target = {
      name: "spy",
      contract: 1,
      generate(model, context) {
        seen = { model, context };
        return [];
      },
    };
    const { diagnostics } = await this.generate({ out: "seen", ...options, targets: [spy] });
    if (seen === undefined) throw new Error(formatDiagnostics(diagnostics, "text"));
    return seen;
  }

  /** All files under a folder, sorted. */
  list(under = "gen"): readonly string[] {
    try {
      return readdirSync(join(this.path, under), { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map((entry) => join(entry.parentPath, entry.name).slice(join(this.path, under).length + 1))
        .toSorted();
    } catch {
      return [];
    }
  }

  read(file: string): string {
    return readFileSync(join(this.path, file), "utf8");
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

function textAt(text: string, range: Range | undefined): string {
  if (range === undefined) return "";
  const lines = text.split("\n").slice(range.line - 1, range.endLine);
  lines[lines.length - 1] = lines.at(-1)!.slice(0, range.endColumn - 1);
  return lines.join("\n").slice(range.column - 1);
}

/** A schema file of package `demo.v1` with the options imported. */
export function demo(body: string): Readonly<Record<string, string>> {
  return {
    "proto/demo/v1/demo.proto": `syntax = "proto3";\n\npackage demo.v1;\n\nimport "google/protobuf/empty.proto";\nimport "raceway/v1/options.proto";\n\n${body}`,
  };
}
