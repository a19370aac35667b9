// Plain values as TypeScript: on one line if it fits, else a property a line.
import { propertyName } from "./names.ts";

export type Literal = string | number | boolean | readonly Literal[] | { readonly [name: string]: Literal | undefined };

/** `room` is what is left of the line where the value begins, `indent` the indentation of that line within the text. */
export function literal(value: Literal, room: number, indent: string): string {
  const line = oneLine(value);
  if (line.length <= room || typeof value !== "object" || Object.keys(value).length === 0) return line;
  const inner = `${indent}  `;
  if (isList(value)) {
    return `[\n${value.map((one) => `${inner}${literal(one, 117 - inner.length, inner)},\n`).join("")}${indent}]`;
  }
  const properties = entriesOf(value).map(([name, one]) => {
    const start = `${inner}${propertyName(name)}: `;
    return `${start}${literal(one, 119 - start.length, inner)},\n`;
  });
  return `{\n${properties.join("")}${indent}}`;
}

/** On one line for every tool, also for those that look for ends of lines in texts. */
export function textLiteral(text: string): string {
  return JSON.stringify(text).replaceAll("\u2028", "\\u2028").replaceAll("\u2029", "\\u2029");
}

function oneLine(value: Literal): string {
  if (isList(value)) return `[${value.map(oneLine).join(", ")}]`;
  if (typeof value === "string") return textLiteral(value);
  if (typeof value !== "object") return JSON.stringify(value);
  const properties = entriesOf(value).map(([name, one]) => `${propertyName(name)}: ${oneLine(one)}`);
  return properties.length === 0 ? "{}" : `{ ${properties.join(", ")} }`;
}

function isList(value: Literal): value is readonly Literal[] {
  return Array.isArray(value);
}

function entriesOf(value: { readonly [name: string]: Literal | undefined }): readonly (readonly [string, Literal])[] {
  return Object.entries(value).filter((entry): entry is [string, Literal] => entry[1] !== undefined);
}
