// What is kept beside generated files: their names, what they were made from, and what they were. By it, and only by it, files
// that are no longer needed are found and deleted.
import { createHash } from "node:crypto";
import { compareText } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";

export const MANIFEST = ".raceway-manifest.json";

export interface ManifestEntry {
  /** The schema file, relative to the output folder. */
  readonly source: string;
  /** SHA-256 of the file's bytes, in hex. */
  readonly hash: string;
  /** It was made only since others import it. */
  readonly imported?: true;
}

export type Manifest = ReadonlyMap<string, ManifestEntry>;

/** Throws a `GenerateFailure` for what is none. */
export function readManifest(text: string | undefined, shown: string): Manifest {
  if (text === undefined) return new Map();
  try {
    const { files } = JSON.parse(withoutMarks(text)) as { files: Record<string, ManifestEntry> };
    const entries = Object.entries(files);
    if (entries.some(([, entry]) => typeof entry.source !== "string" || typeof entry.hash !== "string"))
      throw new TypeError("an entry is incomplete");
    return new Map(entries);
  } catch (error) {
    throw new GenerateFailure("usage", `${shown} is damaged. Delete it, and generate again.`, { cause: error });
  }
}

/** Where branches meet that both generated, git leaves the lines of both between its marks: what either of them made is ours. */
function withoutMarks(text: string): string {
  if (!/^<{7} [^]*^>{7} /m.test(text)) return text;
  const entries = text.split("\n").flatMap((line) => /^ {4}(".*\})\s*,?\s*$/.exec(line)?.[1] ?? []);
  return `{ "files": { ${entries.join(",")} } }`;
}

/** Sorted, a file a line, so that two branches rarely conflict in it. */
export function manifestText(manifest: Manifest): string {
  const lines = [...manifest]
    .toSorted(([a], [b]) => compareText(a, b))
    .map(
      ([path, { source, hash, imported }]) =>
        `    ${JSON.stringify(path)}: { "source": ${JSON.stringify(source)}, "hash": "${hash}"${imported === true ? ', "imported": true' : ""} }`,
    );
  return `{\n  "generator": "raceway",\n  "files": {\n${lines.join(",\n")}\n  }\n}\n`;
}

export function hashOf(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
