// Findings as text, as JSON and as annotations of GitHub.
import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import type { Diagnostic } from "./diagnostic.ts";
import { formatDiagnostics } from "./format-diagnostic.ts";

const diagnostic: Diagnostic = {
  rule: "address_field_unknown",
  severity: "error",
  message: "the address names `rom`, which demo.v1.Key does not have",
  mend: "did you mean `room`?",
  file: "proto/demo.proto",
  range: { line: 7, column: 12, endLine: 7, endColumn: 17 },
  frame: '> 7 | "x/{rom}"\n    |    ^^^^^',
};

test("as text", () => {
  expect(formatDiagnostics([diagnostic, { ...diagnostic, severity: "warning" }], "text")).toMatchInlineSnapshot(`
    "error address_field_unknown: the address names \`rom\`, which demo.v1.Key does not have
      proto/demo.proto:7:12
      > 7 | "x/{rom}"
          |    ^^^^^
      mend: did you mean \`room\`?

    warning address_field_unknown: the address names \`rom\`, which demo.v1.Key does not have
      proto/demo.proto:7:12
      > 7 | "x/{rom}"
          |    ^^^^^
      mend: did you mean \`room\`?
    "
  `);
});

test("as JSON, one object a line", () => {
  const text = formatDiagnostics([diagnostic, diagnostic], "json");
  expect(
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown),
  ).toEqual([diagnostic, diagnostic]);
});

test("as annotations of GitHub, with what would end them escaped", () => {
  const odd = { ...diagnostic, file: "a,b:c.proto", message: "100%\nof it" };
  expect(formatDiagnostics([odd], "github-actions")).toMatchInlineSnapshot(`
    "::error file=a%2Cb%3Ac.proto,line=7,endLine=7,col=12,endColumn=17,title=address_field_unknown::100%25%0Aof it%0Amend: did you mean \`room\`?
    "
  `);
});

test("says how many more there are than are shown", () => {
  const text = formatDiagnostics(
    Array.from({ length: 60 }, () => diagnostic),
    "text",
  );
  expect(text).toContain("… and 10 more findings.");
});

test("a schema's text cannot move the cursor or colour the terminal", () => {
  const text = formatDiagnostics([{ ...diagnostic, message: "\u001b[31mred\u001b[0m \u202e\u0007" }], "text");
  // oxlint-disable-next-line no-control-regex -- they are what must not be there
  expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
});

test("in colour only where it is wanted, and only as text", () => {
  const colored = formatDiagnostics([diagnostic], "text", { color: true });
  expect(colored).toContain("\u001b[31merror address_field_unknown:\u001b[39m the address");
  expect(stripVTControlCharacters(colored)).toBe(formatDiagnostics([diagnostic], "text"));
  for (const format of ["json", "github-actions"] as const)
    expect(formatDiagnostics([diagnostic], format, { color: true })).toBe(formatDiagnostics([diagnostic], format));
});

test("nothing to say is nothing", () => {
  expect(formatDiagnostics([], "text") + formatDiagnostics([], "json") + formatDiagnostics([], "github-actions")).toBe(
    "",
  );
});
