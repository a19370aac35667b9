// What a rule says, before its place has become a line and a column.
import type { Diagnostic } from "../diagnostic.ts";
import type { Place } from "../place.ts";
import type { Rule } from "../rules.ts";

export interface Finding {
  readonly rule: Diagnostic["rule"];
  readonly severity: "error" | "warning";
  readonly place: Place;
  readonly message: string;
  readonly mend: string;
}

export interface Report {
  error(rule: Rule, place: Place, message: string, mend: string): void;
  warning(rule: Rule, place: Place, message: string, mend: string): void;
}
