// Before packing: writes the templates that the workspace keeps at its root into one file of the package; after it: removes it. Run by npm's pack hooks; `write FILE` puts it elsewhere.
// One file, because npm leaves out a `.gitignore` within a package, and reads others as orders to itself.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";

const packed = process.argv[3] ?? join(import.meta.dirname, "../templates.json");
const root = join(import.meta.dirname, "../../../templates");

/** What is made of a template by working in it is no part of it. */
const made = /(^|[\\/])(node_modules|dist|gen)([\\/]|$)/;

if (process.argv[2] === "write") {
  /** @type {Record<string, Record<string, string>>} */
  const templates = {};
  for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
    if (!entry.isFile() || made.test(path)) continue;
    const [name = "", ...rest] = path.split("/");
    (templates[name] ??= {})[rest.join("/")] = readFileSync(join(root, path), "utf8");
  }
  writeFileSync(packed, JSON.stringify(templates));
} else rmSync(packed, { force: true });
