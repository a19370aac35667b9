// Columns as compilers count them, and the frame around a place.
import { expect, test } from "vitest";
import { SourceText } from "./source-text.ts";

const texts = [
  "int32 x",
  "\tint32 x",
  "   \tint32 x",
  "/*é*/int32 x",
  "/*中*/int32 x",
  "/*😀*/int32 x",
  "/*e\u0301*/int32 x",
  "/*👨‍👩‍👧*/int32 x",
];

test("finds the same character by bytes, as buf's findings count", () => {
  for (const text of texts) {
    const index = text.indexOf("int32");
    expect(new SourceText(text).atByte(0, Buffer.byteLength(text.slice(0, index)))).toEqual({ line: 0, index });
  }
});

// Cells as measured with buf 1.75: tab stops every four, wide characters two, marks none.
test("finds the same character by cells, as positions in descriptors count", () => {
  const cells = [0, 4, 4, 5, 6, 6, 5, 6];
  for (const [at, text] of texts.entries()) {
    expect(new SourceText(text).atCell(0, cells[at]!)).toEqual({ line: 0, index: text.indexOf("int32") });
  }
});

test("stays inside of the text when a position does not fit", () => {
  const source = new SourceText("ab\ncd");
  expect(source.atByte(0, 99)).toEqual({ line: 0, index: 2 });
  expect(source.atCell(7, 3)).toEqual({ line: 7, index: 0 });
});

test("finds a token over lines, and none behind the end", () => {
  const source = new SourceText("one\ntwo three\nfour");
  expect(source.find("three", { line: 0, index: 1 }, { line: 2, index: 4 })?.from).toEqual({ line: 1, index: 4 });
  expect(source.find("four", { line: 0, index: 0 }, { line: 2, index: 2 })).toBeUndefined();
});

test("frames a range, whatever ends a line in JavaScript", () => {
  const source = new SourceText('a\u2028b\r c\n  topic: "x"\n');
  expect(source.frame({ line: 2, column: 3, endLine: 2, endColumn: 8 })).toMatchInlineSnapshot(`
    "  1 | a b  c
    > 2 |   topic: "x"
        |   ^^^^^"
  `);
});
