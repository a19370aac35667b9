// The TypeScript compiler as a user has it: strict, and with all the flags that generated code has to stand.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative } from "node:path";

const root = join(import.meta.dirname, "../..");

/** A folder from which the workspace's packages can be imported. */
export class CodeFolder implements Disposable {
  readonly path: string = mkdtempSync(join(import.meta.dirname, "tmp-"));

  write(name: string, text: string | Uint8Array): void {
    mkdirSync(dirname(join(this.path, name)), { recursive: true });
    writeFileSync(join(this.path, name), text);
  }

  read(name: string): string {
    return readFileSync(join(this.path, name), "utf8");
  }

  /** What the compiler has to say about the files of this folder; what it says about packages is said by their own check. */
  typeErrors(options: Readonly<Record<string, unknown>> = {}): readonly string[] {
    this.write(
      "tsconfig.json",
      JSON.stringify({ compilerOptions: { ...strictOptions, ...options }, include: ["./**/*"] }),
    );
    const bin = join(createRequire(import.meta.url).resolve("typescript/package.json"), "../bin/tsc");
    const done = spawnSync(process.execPath, [bin, "-p", this.path, "--pretty", "false"], {
      cwd: root,
      encoding: "utf8",
    });
    if (done.error !== undefined) throw done.error;
    const here = relative(root, this.path);
    return done.stdout
      .split("\n")
      .filter((line) => line.startsWith(here) || line.startsWith("error "))
      .map((line) => line.replace(here, basename(here).slice(0, 3)));
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

export const strictOptions = {
  target: "es2024",
  lib: ["es2024", "esnext.disposable", "dom", "dom.iterable", "dom.asynciterable"],
  module: "nodenext",
  types: ["node"],
  strict: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noPropertyAccessFromIndexSignature: true,
  noImplicitOverride: true,
  noImplicitReturns: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  isolatedDeclarations: true,
  declaration: true,
  verbatimModuleSyntax: true,
  erasableSyntaxOnly: true,
  noEmit: true,
  skipLibCheck: true,
  customConditions: ["@raceway/source"],
  allowImportingTsExtensions: true,
};
