// A project with a service of all kinds of channels, whose handlers are scaffolded and checked.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import {
  type CheckOptions,
  type CheckResult,
  type Diagnostic,
  type ScaffoldOptions,
  type ScaffoldResult,
  checkHandlers,
  generate,
  scaffoldHandlers,
} from "@raceway/generator";
import { CodeFolder, strictOptions } from "../generator/type-check.ts";

export const labSchema = `syntax = "proto3";
package lab.v1;
import "google/protobuf/empty.proto";
import "raceway/v1/options.proto";

// A laboratory. */ It has all kinds.
service LabService {
  // Says it back.
  rpc Say(M) returns (M) { option (raceway.v1.channel) = { errors: { reason: "FULL" code: RESOURCE_EXHAUSTED } }; }
  rpc Sum(stream M) returns (M);
  rpc Watch(M) returns (stream M);
  rpc Talk(stream M) returns (stream M);
  rpc Point(stream M) returns (google.protobuf.Empty) { option (raceway.v1.channel).signal = {}; }
  rpc News(M) returns (stream M) {
    option (raceway.v1.channel).topic = { address: "news/{text}" history: { max_events: 10 } };
  }
}
message M { string text = 1; }
`;

const job = { inputs: ["proto"], protoPath: ["proto"], out: "src/gen", importExtension: "ts" } as const;

export class HandlerFolder implements Disposable {
  readonly #code = new CodeFolder();
  readonly path: string = this.#code.path;

  /** Files by their names, "src/rooms.ts"; there is `proto/lab.proto` unless given. */
  constructor(files: Readonly<Record<string, string | Uint8Array>>) {
    this.write({ "proto/lab.proto": labSchema, ...files });
    if (files["tsconfig.json"] === undefined) this.write({ "tsconfig.json": tsconfig({}) });
  }

  write(files: Readonly<Record<string, string | Uint8Array>>): void {
    for (const [name, text] of Object.entries(files)) this.#code.write(name, text);
  }

  read(name: string): string {
    return this.#code.read(name);
  }

  async generate(): Promise<void> {
    const { ok } = await generate({ ...job, cwd: this.path });
    if (!ok) throw new Error("the schemas are wrong");
  }

  scaffold(options: Partial<ScaffoldOptions> = {}): Promise<ScaffoldResult> {
    return scaffoldHandlers({ generate: [job], cwd: this.path, ...options });
  }

  check(options: Partial<CheckOptions> = {}): Promise<CheckResult> {
    return checkHandlers({ generate: [job], cwd: this.path, ...options });
  }

  /** What the compiler of users says: TypeScript 7, strict. */
  typeErrors(options: Readonly<Record<string, unknown>> = {}): readonly string[] {
    return this.#code.typeErrors(options);
  }

  /** All that is in it, but for generated code. */
  contents(): Readonly<Record<string, string>> {
    const names = readdirSync(this.path, { recursive: true, encoding: "utf8", withFileTypes: true });
    return Object.fromEntries(
      names
        .filter((one) => one.isFile() && !one.parentPath.includes("/gen"))
        .map((one) => [join(one.parentPath, one.name), hashOf(readFileSync(join(one.parentPath, one.name)))]),
    );
  }

  has(name: string): boolean {
    return existsSync(join(this.path, name));
  }

  [Symbol.dispose](): void {
    this.#code[Symbol.dispose]();
  }
}

/** Of a strict project, in which packages of this workspace are found. */
export function tsconfig(options: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({ compilerOptions: { ...strictOptions, ...options }, include: ["./**/*"] });
}

/** "handler_missing src/rooms.ts:3:7 say of …", a line each. */
export function lines(diagnostics: readonly Diagnostic[]): readonly string[] {
  return diagnostics.map(
    ({ rule, file, range, message }) => `${rule} ${file}:${range?.line ?? 0}:${range?.column ?? 0} ${message}`,
  );
}

function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
