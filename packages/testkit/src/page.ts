// The runner for a browser page: a list that a person can read, and a result that a program can.
import { type CaseResult, runCases, type Totals } from "./run-cases.ts";
import type { Suite } from "./suites.ts";

export interface PageResult {
  readonly passed: number;
  readonly failed: number;
  readonly leftOut: number;
  readonly suites: readonly { readonly title: string; readonly results: readonly CaseResult[] }[];
}

const marks: Readonly<Record<CaseResult["outcome"], string>> = { passed: "✓", failed: "✗", "left out": "–" };

const style = `
  .compliance { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color-scheme: light dark }
  .compliance ol { list-style: none; padding: 0 }
  .compliance li { padding: .15rem 0 .15rem 1.6rem; text-indent: -1.6rem }
  .compliance li small { opacity: .6 }
  .compliance li pre { margin: .2rem 0; white-space: pre-wrap; text-indent: 0 }
  .compliance .failed { color: light-dark(#b3261e, #ff897d) }
  .compliance .passed::first-letter { color: light-dark(#1b7f3b, #6dd58c) }
`;

/**
 * Runs all suites, one case after the other, and shows how it goes in `into`. When all is done, `into` has the attribute
 * `data-compliance` with "passed" or "failed", and a `<script type="application/json">` with the {@link PageResult}.
 */
export async function runPage(suites: readonly Suite[], into: HTMLElement = document.body): Promise<PageResult> {
  const root = append(into, "section");
  root.className = "compliance";
  append(root, "style", style);
  const summary = append(root, "h1", "Compliance: running");
  const done: { title: string; totals: Totals }[] = [];
  const total = (of: "passed" | "failed" | "leftOut"): number => done.reduce((sum, { totals }) => sum + totals[of], 0);
  for (const { title, cases } of suites) {
    append(root, "h2", title);
    const list = append(root, "ol");
    done.push({ title, totals: await runCases(cases, (_line, result) => show(list, result)) });
    summary.textContent = `Compliance: ${total("passed")} passed, ${total("failed")} failed, running`;
  }
  const result: PageResult = {
    passed: total("passed"),
    failed: total("failed"),
    leftOut: total("leftOut"),
    suites: done.map(({ title, totals }) => ({ title, results: totals.results })),
  };
  summary.textContent = `Compliance: ${result.passed} passed, ${result.failed} failed, ${result.leftOut} left out`;
  const machine = document.createElement("script");
  machine.type = "application/json"; // before it is in the page: else the browser would run it
  machine.textContent = JSON.stringify(result);
  root.append(machine);
  into.dataset["compliance"] = result.failed === 0 ? "passed" : "failed";
  return result;
}

function show(list: HTMLElement, { name, outcome, milliseconds, reason }: CaseResult): void {
  const item = append(list, "li", `${marks[outcome]} ${name} `);
  item.className = outcome.replace(" ", "-");
  append(item, "small", outcome === "left out" ? (reason ?? "") : `${milliseconds} ms`);
  if (outcome === "failed") append(item, "pre", reason);
}

function append<K extends keyof HTMLElementTagNameMap>(
  parent: HTMLElement,
  tag: K,
  text = "",
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  element.textContent = text; // never markup: names and reasons come from anywhere
  parent.append(element);
  return element;
}
