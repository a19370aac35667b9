// New members of an object literal or a class, as the others are written.
import type { Slot, Style } from "./code/code-facts.ts";
import { type Insertion, weave } from "./insertion.ts";

/** A line of code, and how many steps it stands further in than what it is part of. */
export type Line = readonly [steps: number, text: string];

export function addMembers(
  text: string,
  slot: Slot,
  style: Style,
  members: readonly (readonly Line[])[],
): readonly Insertion[] {
  const { last, close } = slot;
  const { eol } = style;
  const indent = slot.indent ?? slot.base + style.unit;
  const comma = slot.form === "object" ? "," : "";
  const flat = last !== undefined && !text.slice(slot.open, close).includes("\n");
  const trailing = last === undefined || flat ? style.trailingCommas : last.comma !== undefined;
  const spaced = slot.spaced ?? slot.form === "class";
  let added = "";
  for (const [at, lines] of members.entries()) {
    const distant = spaced && (at > 0 || last !== undefined);
    added += (distant ? eol : "") + eol + written(lines, indent, style);
    added += at < members.length - 1 || trailing ? comma : "";
  }
  const begin = last === undefined ? slot.open : (last.comma ?? last.end);
  const blank = /\s*$/.exec(text.slice(begin, close))![0];
  const at = close - blank.length;
  const between =
    last === undefined || last.comma !== undefined ? "" : slot.form === "object" ? "," : endOf(text, last.end);
  const apart = between === "" ? [] : [{ at: last!.end, text: between }];
  if (blank.includes("\n")) return [...apart, { at, text: added }];
  // What was all on one line gets a line of its own, below the opening brace.
  const before = flat ? weave(slot.open, /^[ \t]*/.exec(text.slice(slot.open, last.end))![0], eol + indent) : [];
  return [...before, ...apart, ...weave(at, blank, added + eol + slot.base)];
}

/** A field with such a name would be taken for a modifier of what follows it. */
function endOf(text: string, end: number): string {
  return /\b(?:static|get|set|accessor|async|declare|readonly|override|abstract|public|private|protected)$/.test(
    text.slice(0, end),
  )
    ? ";"
    : "";
}

/** Without a line break at the end. */
export function written(lines: readonly Line[], indent: string, { eol, unit }: Style): string {
  return lines.map(([steps, text]) => (text === "" ? "" : indent + unit.repeat(steps) + text)).join(eol);
}
