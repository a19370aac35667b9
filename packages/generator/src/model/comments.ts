// The comments of a schema, as lines.
import type { DescFile } from "@bufbuild/protobuf";
import { type Described, fileOf, pathOf } from "../place.ts";

/** The comment before a declaration, or else the one behind it, as lines without the blank that most of them begin with. */
export function commentOf(desc: Exclude<Described, DescFile>): readonly string[] {
  return commentAt(fileOf(desc), pathOf(desc));
}

/** The same of anything that has a path of its own, such as a value of an enum. */
export function commentAt(file: DescFile, path: readonly number[]): readonly string[] {
  const text = commentsIn(file).get(path.join()) ?? "";
  const lines = text.split(/\r\n|[\n\r\u2028\u2029]/).map((line) => line.replace(/^ /, "").trimEnd());
  while (lines.at(-1) === "") lines.pop();
  while (lines[0] === "") lines.shift();
  return lines;
}

const comments = new WeakMap<DescFile, ReadonlyMap<string, string>>();

/** All comments of a file by path; large files have ten thousands of locations, too many to look through per method. */
function commentsIn(file: DescFile): ReadonlyMap<string, string> {
  let known = comments.get(file);
  if (known === undefined) {
    const locations = file.proto.sourceCodeInfo?.location ?? [];
    known = new Map(
      locations.flatMap(({ path, leadingComments, trailingComments }) => {
        const text = leadingComments || trailingComments;
        return text === "" ? [] : [[path.join(), text] as const];
      }),
    );
    comments.set(file, known);
  }
  return known;
}
