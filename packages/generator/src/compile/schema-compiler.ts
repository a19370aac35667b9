// The contract of a compiler of protobuf schemas; one implementation runs buf.
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { SchemaSources } from "./schema-sources.ts";

export interface SchemaCompiler {
  readonly name: string;
  /**
   * Compiles files, given by import path, with all they import. The set has source positions and comments, each file after
   * those it imports. What is wrong with the schema is returned; throws a `GenerateFailure` when it could not look, and the signal's
   * reason when that aborts.
   */
  compile(sources: SchemaSources, files: readonly string[], signal?: AbortSignal): Promise<CompileResult>;
}

export type CompileResult =
  | { readonly ok: true; readonly set: FileDescriptorSet }
  | { readonly ok: false; readonly findings: readonly CompilerFinding[] };

/** In the compiler's words. Lines count from 1; columns from 1, in bytes of UTF-8; the end is exclusive. */
export interface CompilerFinding {
  /** Import path. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
  readonly message: string;
}
