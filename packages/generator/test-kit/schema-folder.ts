// A folder with schemas of a test, and what is generated from them.
import { mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type GenerateOptions, type GenerateResult, formatDiagnostics, generate } from "../src/index.ts";

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

  /** The rules that were broken, in order. */
  async broken(options: Partial<GenerateOptions> = {}): Promise<readonly string[]> {
    return (await this.generate(options)).diagnostics.map(({ rule }) => rule);
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

/** A schema file of package `demo.v1` with the options imported. */
export function demo(body: string): Readonly<Record<string, string>> {
  return { "proto/demo/v1/demo.proto": `syntax = "proto3";\n\npackage demo.v1;\n\nimport "google/protobuf/empty.proto";\nimport "raceway/v1/options.proto";\n\n${body}` };
}
