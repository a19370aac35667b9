// The writer of generated TypeScript: how it breaks lines is how the output looks.
import CodeBlockWriter from "code-block-writer";
import { docComment } from "./doc-comment.ts";
import type { Imports } from "./imports.ts";

export type { CodeBlockWriter };

const WIDTH = 120;

export function codeWriter(): CodeBlockWriter {
  return new CodeBlockWriter({ indentNumberOfSpaces: 2, newLine: "\n", useSingleQuote: false });
}

/** Comments come from a schema, so they are written as they are: the writer must not look for strings in them. */
export function writeComment(writer: CodeBlockWriter, lines: readonly string[], deprecated = false): void {
  for (const line of docComment(lines, deprecated)) writer.writeLine(line);
}

/** "name(a: A, b: B): R" and what follows it: on one line if it fits, else a parameter a line. */
export function writeSignature(
  writer: CodeBlockWriter,
  name: string,
  parameters: readonly string[],
  returned: string,
  after: string,
): void {
  const line = `${name}(${parameters.join(", ")}): ${returned}${after}`;
  if (writer.getIndentationLevel() * 2 + line.length <= WIDTH) {
    writer.writeLine(line);
    return;
  }
  writer.writeLine(`${name}(`);
  writer.indent(() => {
    for (const parameter of parameters) writer.writeLine(`${parameter},`);
  });
  writer.writeLine(`): ${returned}${after}`);
}

/** Imports, and below them what was written. */
export function withImports(imports: Imports, body: CodeBlockWriter): string {
  return `${imports.statements().join("\n")}\n\n${body.toString().trimEnd()}\n`;
}
