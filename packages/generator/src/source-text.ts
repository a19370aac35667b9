// Places in a schema's text: from a compiler's columns to an editor's, and the frame that shows them.
import { codeFrameColumns } from "@babel/code-frame";
import type { Range } from "./diagnostic.ts";

/** A point of the text: line from 0, index into that line in UTF-16 code units. */
export interface Point {
  readonly line: number;
  readonly index: number;
}

export class SourceText {
  readonly text: string;
  readonly #lines: readonly string[];

  constructor(text: string) {
    this.text = text;
    this.#lines = text.split(/\r?\n/);
  }

  line(at: number): string {
    return this.#lines[at] ?? "";
  }

  /** Where an index into the whole text is. */
  atOffset(offset: number): Point {
    const before = this.text.slice(0, offset);
    const start = before.lastIndexOf("\n") + 1;
    return { line: before.split("\n").length - 1, index: offset - start };
  }

  /** Findings of buf count columns in bytes of UTF-8. */
  atByte(line: number, byte: number): Point {
    let bytes = 0;
    let index = 0;
    for (const character of this.line(line)) {
      if (bytes >= byte) break;
      bytes += Buffer.byteLength(character);
      index += character.length;
    }
    return { line, index };
  }

  /** Source positions in descriptors count columns in cells of a terminal with a tab stop every four. */
  atCell(line: number, cell: number): Point {
    let cells = 0;
    let index = 0;
    for (const { segment } of graphemes.segment(this.line(line))) {
      if (cells >= cell) break;
      cells += segment === "\t" ? 4 - (cells % 4) : cellsOf(segment);
      index += segment.length;
    }
    return { line, index };
  }

  /** The text between two points, with "\n" between lines. */
  between(from: Point, to: Point): string {
    if (from.line === to.line) return this.line(from.line).slice(from.index, to.index);
    const middle = this.#lines.slice(from.line + 1, to.line);
    return [this.line(from.line).slice(from.index), ...middle, this.line(to.line).slice(0, to.index)].join("\n");
  }

  /** The first occurrence of a token from a point on, up to another. */
  find(token: string, from: Point, to: Point): { readonly from: Point; readonly to: Point } | undefined {
    for (let line = from.line; line <= to.line; line++) {
      const text = this.line(line);
      const end = line === to.line ? to.index : text.length;
      const index = text.slice(0, end).indexOf(token, line === from.line ? from.index : 0);
      if (index >= 0) return { from: { line, index }, to: { line, index: index + token.length } };
    }
    return undefined;
  }

  range(from: Point, to: Point): Range {
    return { line: from.line + 1, column: from.index + 1, endLine: to.line + 1, endColumn: to.index + 1 };
  }

  /** The line before, the lines of the range, and a mark under it; a range over many lines is marked at its first. */
  frame(range: Range): string {
    const oneLine = range.endLine === range.line;
    const endColumn = oneLine ? range.endColumn : this.line(range.line - 1).length + 1;
    const first = Math.max(0, range.line - 2);
    const options = { linesAbove: 1, linesBelow: 0, startLine: first + 1 }; // the last is not in the types
    return codeFrameColumns(
      // Only "\n" ends a line of protobuf; code-frame knows three more.
      this.#lines
        .slice(first, range.line)
        .map((line) => line.replaceAll(/[\r\u2028\u2029]/g, " "))
        .join("\n"),
      {
        start: { line: range.line, column: range.column },
        end: { line: range.line, column: Math.max(endColumn, range.column + 1) },
      },
      options,
    );
  }
}

const graphemes = new Intl.Segmenter("en", { granularity: "grapheme" });

/** Wide: emoji, and what East Asian scripts write in two cells. Nothing: marks and format characters alone. */
function cellsOf(grapheme: string): number {
  if (/^[\p{Mn}\p{Me}\p{Cf}]+$/u.test(grapheme)) return 0;
  return wide.test(grapheme) ? 2 : 1;
}
const wide =
  /\p{Emoji_Presentation}|\ufe0f|[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|[\u{20000}-\u{3fffd}]/u;
