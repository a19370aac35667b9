// Every link of the docs leads to a file, and to a heading that is there; and every page is reached from the README.
import { existsSync, globSync, readFileSync, statSync } from "node:fs";
import { join, posix } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const patterns = ["*.md", "docs/**/*.md", "{packages,templates,examples,bench}/*/README.md"];
const pages = globSync(patterns, { cwd: root, exclude: (name) => name === "node_modules" })
  .map((path) => path.replaceAll("\\", "/"))
  .toSorted();

interface Link {
  readonly line: number;
  /** A path from the root of the workspace; "" if the link leaves it. */
  readonly path: string;
  readonly heading: string;
  readonly outside: boolean;
}

/** Links of a page, those in its code left out. */
function linksOf(page: string, text: string): Link[] {
  const prose = text.replaceAll(/^```[^]*?^```$|`[^`\n]*`/gm, (code) => code.replaceAll(/[^\n]/g, " "));
  return Array.from(prose.matchAll(/\]\(([^)\s]+)\)/g), ({ 1: target, index }) => {
    const [file = "", heading = ""] = target!.split("#");
    const path = file === "" ? page : posix.join(posix.dirname(page), file);
    const line = prose.slice(0, index).split("\n").length;
    return { line, path, heading, outside: /^[a-z]+:/.test(target!) };
  });
}

/** What can be linked to within a page, by the rules of GitHub. */
function headingsOf(text: string): ReadonlySet<string> {
  const found = new Set(Array.from(text.matchAll(/<a id="([^"]+)">/g), ([, id]) => id!));
  for (const [, words] of text.replaceAll(/^```[^]*?^```$/gm, "").matchAll(/^#+ (.*)$/gm)) {
    const plain = words!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const id = plain.replaceAll(/[^\p{L}\p{N}\s_-]/gu, "").replaceAll(" ", "-");
    let name = id;
    for (let next = 1; found.has(name); next += 1) name = `${id}-${next}`;
    found.add(name);
  }
  return found;
}

const read = (page: string): string => readFileSync(join(root, page), "utf8");
/** What a link shows: a page; of a folder its README, or else all pages in it, which GitHub lists. */
function shownBy(path: string): readonly string[] {
  const full = join(root, path);
  if (!existsSync(full) || !statSync(full).isDirectory()) return [path];
  const readme = posix.join(path, "README.md");
  return pages.includes(readme) ? [readme] : pages.filter((page) => page.startsWith(`${path}/`));
}

function problemsOf(page: string, text: string): string[] {
  return linksOf(page, text).flatMap(({ line, path, heading, outside }) => {
    if (outside) return [];
    if (!existsSync(join(root, path))) return [`${page}:${line}: there is no ${path}`];
    const [target = path] = shownBy(path);
    if (heading === "" || !target.endsWith(".md")) return [];
    return headingsOf(target === page ? text : read(target)).has(heading)
      ? []
      : [`${page}:${line}: ${target} has no heading #${heading}`];
  });
}

describe("links of the docs", () => {
  it("lead to files and headings that are there", () => {
    expect(pages.length).toBeGreaterThan(60);
    expect(pages.flatMap((page) => problemsOf(page, read(page)))).toEqual([]);
  });

  it("are checked: what leads nowhere is told by page and line", () => {
    const text =
      "# A page\n\n[one](#a-page) [two](#another) `[code](nowhere.md)`\n[three](docs/nothing.md) [four](docs/limits.md#http)\n";
    expect(problemsOf("README.md", text)).toEqual([
      "README.md:3: README.md has no heading #another",
      "README.md:4: there is no docs/nothing.md",
    ]);
  });

  it("lead from the README to every page", () => {
    const reached = new Set(["README.md"]);
    for (const page of reached) {
      if (!pages.includes(page)) continue;
      for (const { path, outside } of linksOf(page, read(page)))
        if (!outside) for (const shown of shownBy(path)) reached.add(shown);
    }
    const lost = pages.filter((page) => !reached.has(page));
    expect(lost).toEqual([]);
  });
});
