// A schema's comments as doc comments, whatever is in them.
import { plainComment } from "../../plain-comment.ts";

/** Lines of a doc comment; none for an empty text. */
export function docComment(lines: readonly string[], deprecated = false): readonly string[] {
  const text = lines.map((line) => plainComment(line).replaceAll("*/", "*\\/"));
  if (deprecated && !text.some((line) => line.trimStart().startsWith("@deprecated"))) {
    if (text.length > 0) text.push("");
    text.push("@deprecated");
  }
  if (text.length === 0) return [];
  if (text.length === 1 && text[0]!.length <= 110) return [`/** ${text[0]} */`];
  return ["/**", ...text.map((line) => (line === "" ? " *" : ` * ${line}`)), " */"];
}
