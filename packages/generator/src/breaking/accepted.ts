// Findings that a project has accepted: it knows what it breaks, and why that may be.
import type { Diagnostic } from "../diagnostic.ts";
import { type BreakingLevel, type BreakingRule, breakingRules, includesLevel } from "./breaking-rules.ts";

export interface AcceptedFinding {
  readonly rule: BreakingRule;
  /** What it is about: the `at` of the finding, such as "chat.v1.RoomService/Messages". */
  readonly at: string;
  /** Why it may break; shown with it. */
  readonly why: string;
}

/** Findings that an entry fits are warnings, and say why they are accepted. */
export function acceptFindings(
  found: readonly Diagnostic[],
  accept: readonly AcceptedFinding[],
): readonly Diagnostic[] {
  return found.map((one) => {
    const entry = accept.find((each) => fits(each, one));
    return entry === undefined ? one : { ...one, severity: "warning", accepted: entry.why };
  });
}

/** Entries that fit nothing of all that was found at this level. Those for other levels may still be needed. */
export function unusedEntries(
  found: readonly Diagnostic[],
  accept: readonly AcceptedFinding[],
  level: BreakingLevel,
): readonly AcceptedFinding[] {
  return accept.filter(
    (entry) => includesLevel(level, breakingRules[entry.rule].level) && !found.some((one) => fits(entry, one)),
  );
}

function fits({ rule, at }: AcceptedFinding, found: Diagnostic): boolean {
  return found.rule === rule && found.at === at;
}
