// Findings of `--check`: where what is there differs from what would be written.
import type { Diagnostic } from "../diagnostic.ts";
import type { FileChange, Plan } from "./plan.ts";

/** Lines of the first difference that are shown. */
const SHOWN = 3;

export function staleFindings(plan: Plan, shown: (path: string) => string): readonly Diagnostic[] {
  const files = plan.changes.filter(({ change }) => change !== "unchanged");
  // The manifest says nothing new where a file differs.
  const stale = files.length > 0 || plan.manifest.change === "unchanged" ? files : [plan.manifest];
  return stale.map((change) => ({
    rule: "output_stale",
    severity: "error",
    message: messages[change.change](shown(change.path)),
    mend: "generate again, and commit what it writes.",
    file: shown(change.path),
    ...(change.change === "changed" && difference(change)),
  }));
}

const messages: { readonly [K in FileChange["change"]]: (path: string) => string } = {
  added: (path) => `${path} is missing`,
  changed: (path) => `${path} is not what the schemas give`,
  deleted: (path) => `${path} is no longer generated`,
  unchanged: (path) => `${path} is fine`,
};

function difference({ before, after }: FileChange): Pick<Diagnostic, "range" | "frame"> {
  const have = before.split("\n");
  const want = after.split("\n");
  let at = 0;
  while (at < have.length && have[at] === want[at]) at++;
  const lines = [...part(have, at).map((line) => `- ${line}`), ...part(want, at).map((line) => `+ ${line}`)];
  return {
    range: { line: at + 1, column: 1, endLine: at + 1, endColumn: (have[at] ?? "").length + 1 },
    frame: lines.join("\n"),
  };
}

function part(lines: readonly string[], from: number): readonly string[] {
  return lines.slice(from, from + SHOWN).map((line) => (line.length > 120 ? `${line.slice(0, 120)}…` : line));
}
