// The table of `pnpm corpus`, in Markdown: a row for each API, and their sum.
import type { PublicApi } from "./apis.ts";

/** Of `all` methods, those that did what they should. */
export interface Count {
  readonly ok: number;
  readonly all: number;
}

export interface Row {
  readonly api: PublicApi;
  readonly files: number;
  readonly services: number;
  readonly generateMs: number;
  readonly typeErrors: number;
  readonly unary: Count;
  readonly streams: Count;
}

export function formatTable(rows: readonly Row[]): string {
  const head = "API|publisher|files|services|methods|generate ms|type errors|unary ok|streams ok".split("|");
  const body = rows.map((row) => [row.api.name, row.api.publisher, ...cells(row)]);
  const publishers = new Set(rows.map(({ api }) => api.publisher)).size;
  const lines = [head, ...body, [`${rows.length} APIs`, `${publishers} publishers`, ...cells(sumOf(rows))]];
  const widths = head.map((_, column) => Math.max(...lines.map((line) => line[column]!.length)));
  const print = (line: readonly string[]): string =>
    `| ${line.map((cell, column) => (column < 2 ? cell.padEnd(widths[column]!) : cell.padStart(widths[column]!))).join(" | ")} |`;
  const rule = `| ${widths.map((width, column) => (column < 2 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`)).join(" | ")} |`;
  return [print(head), rule, ...lines.slice(1).map(print)].join("\n");
}

type Figures = Omit<Row, "api">;

function cells(row: Figures): readonly string[] {
  const { files, services, unary, streams, typeErrors } = row;
  const counts = [files, services, unary.all + streams.all, Math.round(row.generateMs), typeErrors].map(String);
  return [...counts, countText(unary), countText(streams)];
}

function countText({ ok, all }: Count): string {
  return all === 0 ? "none" : `${ok} of ${all}`;
}

function sumOf(rows: readonly Row[]): Figures {
  const sum = (of: (row: Row) => number): number => rows.reduce((total, row) => total + of(row), 0);
  return {
    files: sum((row) => row.files),
    services: sum((row) => row.services),
    generateMs: sum((row) => row.generateMs),
    typeErrors: sum((row) => row.typeErrors),
    unary: { ok: sum((row) => row.unary.ok), all: sum((row) => row.unary.all) },
    streams: { ok: sum((row) => row.streams.ok), all: sum((row) => row.streams.all) },
  };
}
