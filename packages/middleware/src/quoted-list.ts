// Lists in headers that proxies write, with separators that do not count within quotes.

/** Read from its end, which the nearest proxy wrote: a quote that a client left open swallows nothing of what stands after it. */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let to = text.length;
  let quoted = false;
  for (let at = to - 1; at >= 0; at--) {
    const letter = text[at]!;
    if (letter === '"') quoted = quoted ? isEscaped(text, at) : true;
    else if (letter === separator && !quoted) {
      parts.push(text.slice(at + 1, to));
      to = at;
    }
  }
  parts.push(text.slice(0, to));
  return parts.toReversed();
}

function isEscaped(text: string, at: number): boolean {
  let from = at;
  while (text[from - 1] === "\\") from--;
  return (at - from) % 2 === 1;
}
