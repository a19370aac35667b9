// The runner for the command line and for pages: one case after the other, a line for each.
import type { Case } from "./case.ts";

export interface CaseResult {
  readonly name: string;
  readonly outcome: "passed" | "failed" | "left out";
  readonly milliseconds: number;
  /** Why it failed, or what it would have needed. */
  readonly reason?: string;
}

export interface Totals {
  readonly passed: number;
  readonly failed: number;
  /** Cases that do not apply to this subject. */
  readonly leftOut: number;
  readonly results: readonly CaseResult[];
}

/** Longest time for one case, in milliseconds: a case that hangs fails, and the next one begins. */
const CASE_MS = 120_000;

/** Runs all cases that apply, prints a line for each, and says how many held. */
export async function runCases(
  cases: readonly Case[],
  print: (line: string, result: CaseResult) => void,
): Promise<Totals> {
  const results: CaseResult[] = [];
  for (const one of cases) {
    const result = await runCase(one);
    results.push(result);
    print(lineOf(result), result);
  }
  const count = (outcome: CaseResult["outcome"]): number =>
    results.filter((result) => result.outcome === outcome).length;
  return { passed: count("passed"), failed: count("failed"), leftOut: count("left out"), results };
}

async function runCase(one: Case): Promise<CaseResult> {
  const { name, needs } = one;
  if (needs !== undefined && !needs.met)
    return { name, outcome: "left out", milliseconds: 0, reason: `needs ${needs.what}` };
  const start = performance.now();
  const took = (): number => Math.round(performance.now() - start);
  const { promise: tooLong, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`still running after ${CASE_MS} ms`)), CASE_MS);
  try {
    await Promise.race([one.run(), tooLong]);
    return { name, outcome: "passed", milliseconds: took() };
  } catch (error) {
    return {
      name,
      outcome: "failed",
      milliseconds: took(),
      reason: error instanceof Error ? error.message : String(error),
    };
  } finally {
    clearTimeout(timer);
  }
}

function lineOf({ name, outcome, milliseconds, reason }: CaseResult): string {
  switch (outcome) {
    case "passed":
      return `✓ ${name} (${milliseconds} ms)`;
    case "failed":
      return `✗ ${name} (${milliseconds} ms)\n    ${reason}`;
    case "left out":
      return `– ${name}: left out, ${reason}`;
  }
}
