// What is added to a file, as `diff -u` shows it, and `git apply` reads it.
import { type Insertion, insert } from "./insertion.ts";

/** Lines around a change. */
const CONTEXT = 3;

type Row = readonly [sign: " " | "-" | "+", line: string];

/** "" for no insertions. `name` is relative and divided by "/"; `fresh` says that the file is not there yet. */
export function unifiedDiff(name: string, text: string, insertions: readonly Insertion[], fresh: boolean): string {
  const rows = rowsOf(text, insertions);
  const hunks = hunksOf(rows);
  if (hunks.length === 0) return "";
  const head = [`--- ${fresh ? "/dev/null" : `a/${name}`}`, `+++ b/${name}`];
  return `${[...head, ...hunks].join("\n")}\n`;
}

function rowsOf(text: string, insertions: readonly Insertion[]): readonly Row[] {
  const lines = linesOf(text);
  if (text === "" || text.endsWith("\n")) lines.push(""); // what is added at the very end
  const starts = [0];
  for (const line of lines) starts.push(starts.at(-1)! + line.length);
  const lineOf = (at: number): number =>
    Math.min(
      starts.findLastIndex((start) => start <= at),
      lines.length - 1,
    );
  return lines.flatMap((line, index) => {
    const own = insertions.filter(({ at }) => lineOf(at) === index);
    const now = linesOf(
      insert(
        line,
        own.map(({ at, text: added }) => ({ at: at - starts[index]!, text: added })),
      ),
    );
    const same = line === "" ? -1 : now.indexOf(line);
    const before: readonly Row[] = same < 0 && line !== "" ? [["-", line]] : [];
    return [...before, ...now.map((one, part): Row => [part === same ? " " : "+", one])];
  });
}

function hunksOf(rows: readonly Row[]): readonly string[] {
  const shown = new Set<number>();
  for (const [at, [sign]] of rows.entries())
    if (sign !== " ") for (let near = at - CONTEXT; near <= at + CONTEXT; near++) shown.add(near);
  const hunks: string[] = [];
  let hunk: Row[] = [];
  let [before, after] = [1, 1];
  let begin: readonly [number, number] = [1, 1];
  for (const [at, row] of rows.entries()) {
    if (shown.has(at)) {
      if (hunk.length === 0) begin = [before, after];
      hunk.push(row);
    } else flush();
    if (row[0] !== "+") before++;
    if (row[0] !== "-") after++;
  }
  flush();
  return hunks;

  function flush(): void {
    if (hunk.length === 0) return;
    const count = (without: string): number => hunk.filter(([sign]) => sign !== without).length;
    const range = (from: number, length: number): string => `${length === 0 ? from - 1 : from},${length}`;
    hunks.push(
      [`@@ -${range(begin[0], count("+"))} +${range(begin[1], count("-"))} @@`, ...hunk.map(rowText)].join("\n"),
    );
    hunk = [];
  }
}

function rowText([sign, line]: Row): string {
  return line.endsWith("\n") ? sign + line.slice(0, -1) : `${sign}${line}\n\\ No newline at end of file`;
}

/** With their ends. */
function linesOf(text: string): string[] {
  return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}
