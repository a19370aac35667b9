// What writing would do: each file compared with what is there. Nothing is changed here.
import { existsSync } from "node:fs";
import { relative, resolve, sep } from "node:path";
import type { OutputFile } from "@raceway/core/target";
import type { Diagnostic } from "../diagnostic.ts";
import { foldedPath, pathProblem } from "../path-problem.ts";
import type { Rule } from "../rules.ts";
import { visibleText } from "../visible-text.ts";
import { isOurs, withHeader } from "./header.ts";
import { MANIFEST, type ManifestEntry, hashOf, manifestText, readManifest } from "./manifest.ts";
import type { OutputFolder } from "./output-folder.ts";

export interface FileChange {
  /** Relative to the output folder. */
  readonly path: string;
  readonly change: "added" | "changed" | "unchanged" | "deleted";
  /** What is there; "" if there is nothing. */
  readonly before: string;
  /** What will be there; "" if it is deleted. */
  readonly after: string;
}

export interface Plan {
  /** Sorted by path; the manifest is not among them. */
  readonly changes: readonly FileChange[];
  readonly manifest: FileChange;
  readonly diagnostics: readonly Diagnostic[];
}

export interface Output {
  readonly folder: OutputFolder;
  readonly files: readonly OutputFile[];
  /** Import paths of the schema files of this run, also of those that gave nothing. */
  readonly generated: readonly string[];
  /** Those of them that nobody asked for, and others import. */
  readonly imported: ReadonlySet<string>;
  /** What is no longer generated: "all" may go, or only what "generated" schema files gave earlier, or nothing: "none". */
  readonly leftovers: "all" | "generated" | "none";
  /** The absolute path of a schema file. */
  readonly locate: (source: string) => string | undefined;
  /** How people are shown a path of the output folder. */
  readonly shown: (path: string) => string;
}

export function planOutput({ folder, files, generated, imported, leftovers, locate, shown }: Output): Plan {
  const diagnostics: Diagnostic[] = [];
  const say = (severity: Diagnostic["severity"], rule: Rule, path: string, message: string, mend: string): void =>
    void diagnostics.push({ severity, rule, file: shown(path), message, mend });
  const manifestNow = folder.read(MANIFEST);
  const manifestBefore = manifestNow?.kind === "file" ? manifestNow.text : undefined;
  const there = new Map<string, boolean>();
  const known = readManifest(manifestBefore, shown(MANIFEST));
  const next = new Map<string, ManifestEntry>();
  const changes: FileChange[] = [];
  const folded = new Map<string, string>();
  const fromFolder = (source: string): string => posix(relative(folder.path, locate(source) ?? source));
  const sources = new Set(generated.map(fromFolder));
  let others: boolean | undefined;
  for (const file of files) {
    const same = folded.get(foldedPath(file.path));
    folded.set(foldedPath(file.path), file.path);
    const source = fromFolder(file.source);
    sources.add(source);
    const problem = pathProblem(file.path);
    if (problem !== undefined) {
      say(
        "error",
        "output_outside",
        file.path,
        `${visibleText(file.path)} cannot be the path of a file in the output folder: ${problem}`,
        "rename the schema file.",
      );
    } else if (!folder.holds(file.path)) {
      say(
        "error",
        "output_outside",
        file.path,
        `${visibleText(file.path)} is outside of the output folder, since a link leads there`,
        "remove the link.",
      );
    } else if (foldedPath(file.path) === MANIFEST) {
      say(
        "error",
        "output_foreign",
        file.path,
        `${file.path} is where the generator keeps what it wrote`,
        "rename the schema file.",
      );
    } else if (same === file.path) {
      const mend = "name each target once, and have no two of them write the same file.";
      say("error", "name_collision", file.path, `${file.path} is made twice`, mend);
    } else if (same !== undefined) {
      say(
        "error",
        "name_collision",
        file.path,
        `${same} and ${file.path} are one file where case does not count`,
        "rename one of the schema files.",
      );
    } else {
      planFile(file, source);
    }
  }
  for (const path of next.keys()) {
    const way = folderOnTheWay(path, folded);
    if (way === undefined) continue;
    say(
      "error",
      "name_collision",
      path,
      `${way} is a file and, for ${path}, a folder`,
      "rename one of the schema files, or the folder.",
    );
  }
  if (manifestNow?.kind === "other")
    say("error", "output_foreign", MANIFEST, `${MANIFEST} is a folder or a link`, "move it away.");
  for (const [path, entry] of known) if (!next.has(path)) planLeftover(path, entry);
  const manifestAfter = manifestText(next);
  return {
    changes: changes.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    manifest: {
      path: MANIFEST,
      change: changeOf(manifestBefore, manifestAfter),
      before: manifestBefore ?? "",
      after: manifestAfter,
    },
    diagnostics,
  };

  /** Whether somebody else writes to the folder, who may import what this run does not. */
  function hasOtherRuns(): boolean {
    return (others ??= [...known.values()].some(
      ({ source, imported: isImported }) => isImported !== true && !sources.has(source) && isThere(source),
    ));
  }

  /** Many files are made from one. */
  function isThere(source: string): boolean {
    let known = there.get(source);
    if (known === undefined) there.set(source, (known = existsSync(resolve(folder.path, source))));
    return known;
  }

  function planFile(file: OutputFile, source: string): void {
    const after = withHeader(file.path, file.source, file.text);
    // One that another run was asked for stays so.
    const { imported: wasImported = false } = known.get(file.path) ?? { imported: true };
    const isImported = imported.has(file.source) && wasImported;
    next.set(file.path, { source, hash: hashOf(after), ...(isImported && { imported: true }) });
    const existing = folder.read(file.path);
    if (existing?.kind === "other") {
      say(
        "error",
        "output_foreign",
        file.path,
        `${file.path} cannot be written: a folder, a link or another file is in its way`,
        "move it away, or choose another output folder.",
      );
      return;
    }
    // What is the same byte for byte may stay whoever wrote it: a manifest can get lost.
    if (existing !== undefined && existing.text !== after && !isOurs(file.path, existing.text, known.has(file.path))) {
      say(
        "error",
        "output_foreign",
        file.path,
        `${file.path} is there already, and was not generated`,
        "move it away, or choose another output folder.",
      );
      return;
    }
    changes.push({ path: file.path, change: changeOf(existing?.text, after), before: existing?.text ?? "", after });
  }

  /**
   * A file of an earlier run: deleted if its schema file was generated anew without it, is gone, or is imported by nobody any more; else it is
   * another run's.
   */
  function planLeftover(path: string, entry: ManifestEntry): void {
    const anew = sources.has(entry.source);
    if (leftovers === "none" || (leftovers === "generated" && !anew)) {
      next.set(path, entry);
      return;
    }
    const existing = folder.holds(path) ? folder.read(path) : undefined;
    if (existing === undefined) return;
    if (!anew && isThere(entry.source) && (entry.imported !== true || hasOtherRuns())) {
      next.set(path, entry);
    } else if (
      existing.kind === "other" ||
      !isOurs(path, existing.text, true) ||
      hashOf(existing.text) !== entry.hash
    ) {
      say(
        "warning",
        "output_edited",
        path,
        `${path} is no longer generated, but somebody changed it`,
        "delete it, or move what is yours elsewhere.",
      );
    } else {
      changes.push({ path, change: "deleted", before: existing.text, after: "" });
    }
  }
}

/** A file of this run in whose place there would have to be a folder. */
function folderOnTheWay(path: string, folded: ReadonlyMap<string, string>): string | undefined {
  for (let end = path.lastIndexOf("/"); end > 0; end = path.lastIndexOf("/", end - 1)) {
    const file = folded.get(foldedPath(path.slice(0, end)));
    if (file !== undefined) return file;
  }
  return undefined;
}

function changeOf(before: string | undefined, after: string): FileChange["change"] {
  return before === undefined ? "added" : before === after ? "unchanged" : "changed";
}

function posix(path: string): string {
  return path.split(sep).join("/");
}
