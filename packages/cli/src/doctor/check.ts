// What a check of `raceway doctor` finds: what was looked at, how it is, and what to do.

export interface Finding {
  /** What was looked at, in a word: "node", "websocket". */
  readonly check: string;
  /** "left out": there was nothing to look at. */
  readonly outcome: "fine" | "warning" | "error" | "left out";
  readonly detail: string;
  /** How to mend it; of warnings and errors. */
  readonly mend?: string;
}

export const fine = (check: string, detail: string): Finding => ({ check, outcome: "fine", detail });
export const leftOut = (check: string, detail: string): Finding => ({ check, outcome: "left out", detail });
export const warning = (check: string, detail: string, mend: string): Finding => ({
  check,
  outcome: "warning",
  detail,
  mend,
});
export const wrong = (check: string, detail: string, mend: string): Finding => ({
  check,
  outcome: "error",
  detail,
  mend,
});
