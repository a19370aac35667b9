// Results as text: a table per case, and a line per target.
import type { CaseResult, SubjectResult } from "./results.ts";
import { BASE, NONE } from "./subjects.ts";
import type { Verdict } from "./targets.ts";

export function formatCase(result: CaseResult): string {
  if (result.paired) return formatPairs(result);
  const head = result.memory
    ? ["", "B/session", `× ${BASE}`]
    : [
        "",
        `${result.unit}/CPU-s`,
        `× ${BASE}`,
        "µs CPU",
        "load µs",
        "p50 ms",
        "p99 ms",
        "B each",
        "spread",
        "per second",
      ];
  const rows = result.subjects.map((subject) =>
    subject.failure === undefined ? row(subject, result.memory) : [subject.name, `failed: ${subject.failure}`],
  );
  return `${result.title}\n${formatTable([head, ...rows])}`;
}

/** Each beside the first: what it costs, and not how many can be had for a second. */
function formatPairs({ title, subjects }: CaseResult): string {
  const head = ["", `CPU × ${NONE}`, "spread", "µs CPU", "p50 ms", "p99 ms", "B each"];
  const rows = subjects.map(
    ({ name, failure, cost, cpuMicrosPerUnit = Number.NaN, p50Micros, p99Micros, bytesPerUnit }) =>
      failure === undefined
        ? [
            name,
            cost === undefined ? "1" : cost.ratio.toFixed(2),
            cost === undefined ? "" : `${(cost.spread * 100).toFixed(0)} %`,
            cpuMicrosPerUnit.toFixed(2),
            milliseconds(p50Micros),
            milliseconds(p99Micros),
            count(bytesPerUnit),
          ]
        : [name, `failed: ${failure}`],
  );
  return `${title}\n${formatTable([head, ...rows])}`;
}

function row(subject: SubjectResult, memory: boolean): string[] {
  const ratio = subject.ratios[BASE];
  const times = ratio === undefined ? "" : ratio.toFixed(2);
  if (memory) return [subject.name, count(subject.bytesPerUnit), ratio === undefined ? "" : (1 / ratio).toFixed(2)];
  return [
    subject.name,
    count(subject.unitsPerCpuSecond),
    times,
    (subject.cpuMicrosPerUnit ?? Number.NaN).toFixed(2),
    (subject.loadCpuMicrosPerUnit ?? Number.NaN).toFixed(2),
    milliseconds(subject.p50Micros),
    milliseconds(subject.p99Micros),
    count(subject.bytesPerUnit),
    `${((subject.spread ?? 0) * 100).toFixed(0)} %`,
    count(subject.unitsPerSecond),
  ];
}

export function formatVerdict({ text, target, measured, unit, ok }: Verdict): string {
  const value = measured >= 100 ? count(measured) : measured.toFixed(2);
  return `target ${target}  measured ${value}${unit}  ${ok ? "ok" : "below"}  (${text})`;
}

function count(value: number | undefined): string {
  return value === undefined || Number.isNaN(value) ? "" : Math.round(value).toLocaleString("en");
}

function milliseconds(micros: number | undefined): string {
  return micros === undefined ? "" : (micros / 1e3).toFixed(micros < 1e4 ? 2 : 1);
}

/** First column to the left, all others to the right. */
export function formatTable(rows: readonly (readonly string[])[]): string {
  const columns = Math.max(...rows.map((cells) => cells.length));
  const whole = rows.filter((cells) => cells.length > 2 || columns <= 2);
  const widths = Array.from({ length: columns }, (_, column) =>
    Math.max(
      ...whole.map((cells) => cells[column]?.length ?? 0),
      column === 0 ? Math.max(...rows.map((cells) => cells[0]?.length ?? 0)) : 0,
    ),
  );
  return rows
    .map((cells) =>
      `  ${cells.map((cell, column) => (column === 0 ? cell.padEnd(widths[0] as number) : cell.padStart(widths[column] as number))).join("  ")}`.trimEnd(),
    )
    .join("\n");
}
