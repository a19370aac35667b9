// Findings as people, programs and GitHub read them.
import { styleText } from "node:util";
import type { Diagnostic } from "./diagnostic.ts";

/** Findings of one run that are shown in text; more hide the first ones. */
const SHOWN = 50;

export type DiagnosticFormat = "text" | "json" | "github-actions";

/** "" if there are none; otherwise ends with a line break. JSON is one object a line; only text is ever in colour. */
export function formatDiagnostics(
  diagnostics: readonly Diagnostic[],
  format: DiagnosticFormat,
  { color = false }: { readonly color?: boolean } = {},
): string {
  switch (format) {
    case "text": {
      const shown = diagnostics.slice(0, SHOWN).map((one) => textOf(one, color));
      if (diagnostics.length > SHOWN) shown.push(`… and ${diagnostics.length - SHOWN} more findings.\n`);
      return shown.join("\n");
    }
    case "json":
      return diagnostics.map((diagnostic) => `${JSON.stringify(diagnostic)}\n`).join("");
    case "github-actions":
      return diagnostics.map(annotationOf).join("");
  }
}

function textOf(
  { severity, rule, message, mend, at, accepted, file, range, frame }: Diagnostic,
  color: boolean,
): string {
  const paint = (format: Parameters<typeof styleText>[0], text: string): string =>
    color ? styleText(format, text, { validateStream: false }) : text;
  const place = range === undefined ? file : `${file}:${range.line}:${range.column}`;
  const about = at === undefined ? "" : ` ${printable(at)}`;
  const head = paint(
    severity === "error" ? "red" : "yellow",
    `${accepted === undefined ? severity : "accepted"} ${rule}:`,
  );
  const lines = [`${head} ${printable(message)}`, `  ${paint("cyan", printable(place))}${about}`];
  if (frame !== undefined) for (const line of frame.split("\n")) lines.push(`  ${printable(line)}`.trimEnd());
  if (accepted === undefined) lines.push(`  ${paint("green", "mend:")} ${printable(mend)}`);
  else lines.push(`  ${paint("green", "why:")} ${printable(accepted)}`);
  return `${lines.join("\n")}\n`;
}

/** A schema's text cannot move the cursor or colour the terminal. */
function printable(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what it is about
  return text.replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, "\ufffd");
}

// https://docs.github.com/actions/reference/workflow-commands-for-github-actions: data and properties have to be escaped.
function annotationOf({ severity, rule, message, mend, accepted, file, range }: Diagnostic): string {
  const properties = [`file=${property(file)}`];
  if (range !== undefined) {
    properties.push(
      `line=${range.line}`,
      `endLine=${range.endLine}`,
      `col=${range.column}`,
      `endColumn=${range.endColumn}`,
    );
  }
  properties.push(`title=${property(rule)}`);
  const [level, rest] = accepted === undefined ? [severity, `mend: ${mend}`] : ["notice", `accepted: ${accepted}`];
  return `::${level} ${properties.join(",")}::${escaped(`${message}\n${rest}`)}\n`;
}

function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

function property(text: string): string {
  return escaped(text).replaceAll(":", "%3A").replaceAll(",", "%2C");
}
