// A finding: something in a schema, in what would be written, or in handlers, that is wrong, where it is, and how to mend it. Plain data.
import type { BreakingRule } from "./breaking/breaking-rules.ts";
import type { HandlerRule } from "./handlers/handler-rules.ts";
import type { Rule } from "./rules.ts";

/** Lines and columns count from 1, columns in UTF-16 code units, as editors do; the end is exclusive. */
export interface Range {
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export interface Diagnostic {
  readonly rule: Rule | BreakingRule | HandlerRule;
  /** Nothing is generated if there is an error. */
  readonly severity: "error" | "warning";
  /** What is wrong, in words of the schema. */
  readonly message: string;
  /** How to mend it. */
  readonly mend: string;
  /** Of what breaks: the full name of what it is about, such as "chat.v1.RoomService/Messages". */
  readonly at?: string;
  /** Of what breaks and is accepted: why. */
  readonly accepted?: string;
  /** Relative to the working folder, divided by "/". */
  readonly file: string;
  /** Absent: the file as a whole. */
  readonly range?: Range;
  /** The lines around the place, with a mark under it. */
  readonly frame?: string;
}

/** In the order in which a reader meets them: by file, line and column. */
export function sortDiagnostics(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.toSorted(
    (a, b) =>
      compareText(a.file, b.file) ||
      (a.range?.line ?? 0) - (b.range?.line ?? 0) ||
      (a.range?.column ?? 0) - (b.range?.column ?? 0) ||
      compareText(a.rule, b.rule) ||
      compareText(a.message, b.message),
  );
}

/** The same order on every machine, unlike `localeCompare`. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
