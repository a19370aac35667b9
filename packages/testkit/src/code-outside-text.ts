// What of a piece of JavaScript or TypeScript is code: without comments and without the text in quotes.

/** Good enough for generated code: regular expressions are taken for code, and what is in a template for text. */
export function codeOutsideText(source: string): string {
  return source.replaceAll(
    /\/\/[^\n\r\u2028\u2029]*|\/\*[^]*?\*\/|"(?:\\[^]|[^"\\\n\r])*"|'(?:\\[^]|[^'\\\n\r])*'|`(?:\\[^]|[^`\\])*`/g,
    " ",
  );
}
