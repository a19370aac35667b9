// Text of a stranger in a message: in quotes, on one line, and with nothing in it that cannot be seen.

/** Signs that are none, or that turn the direction of text around, are shown as their numbers. */
export function visibleText(text: string): string {
  return JSON.stringify(text).replaceAll(
    /[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu,
    (sign) => `\\u{${sign.codePointAt(0)!.toString(16)}}`,
  );
}
