// How a file of the user's imports generated files.
import { posix } from "node:path";
import { outputPath } from "../output-path.ts";
import type { FileFacts } from "./code/code-facts.ts";

/** The generated file of a schema file: of "chat/v1/room.proto", "_pb" or ".server". */
export type Specifier = (source: string, ending: string) => string;

/** As the file imports such files already, through an alias, too; else by a relative path, with the ending of its other imports. */
export function specifierIn(
  file: FileFacts,
  generated: ReadonlyMap<string, string>,
  { out, importExtension }: { readonly out: string; readonly importExtension: "js" | "ts" | "none" },
): Specifier {
  const known = file.imports.find(({ resolved = "" }) => generated.has(resolved));
  const relative = file.imports.find(({ module }) => module.startsWith("."));
  const ending =
    (known ?? relative)
      ? endingOf((known ?? relative)!.module)
      : importExtension === "none"
        ? ""
        : `.${importExtension}`;
  const from = known?.resolved ?? file.path;
  const prefix = known === undefined ? "." : posix.dirname(known.module);
  return (source, part) => {
    const target = posix.join(out.replaceAll("\\", "/"), outputPath(source, part)).replace(/\.ts$/, "");
    const path = posix.join(prefix, posix.relative(posix.dirname(from), target));
    return `${prefix.startsWith(".") && !path.startsWith(".") ? "./" : ""}${path}${ending}`;
  };
}

function endingOf(module: string): string {
  return /\.[cm]?[jt]sx?$/.exec(module)?.[0] ?? "";
}
