// Text that is added to text: nothing is ever taken away.

export interface Insertion {
  /** Offset into the text as it was. */
  readonly at: number;
  readonly text: string;
}

/** Insertions at the same place come in the order of the list. */
export function insert(text: string, insertions: readonly Insertion[]): string {
  let done = "";
  let from = 0;
  for (const { at, text: added } of insertions.toSorted((a, b) => a.at - b.at)) {
    done += text.slice(from, at) + added;
    from = at;
  }
  return done + text.slice(from);
}

/**
 * Text in place of white space, without taking it away: it becomes the same white space somewhere within the text, if there is
 * some, and stays in front of it otherwise.
 */
export function weave(at: number, blank: string, text: string): readonly Insertion[] {
  const within = text.indexOf(blank);
  if (within < 0) return [{ at: at + blank.length, text }];
  return [
    { at, text: text.slice(0, within) },
    { at: at + blank.length, text: text.slice(within + blank.length) },
  ];
}
