// Before packing: copies the workspace's schemas into the package; after it: removes the copy. Run by npm's pack hooks.
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

const copy = join(import.meta.dirname, "../schemas");
rmSync(copy, { recursive: true, force: true });
if (process.argv[2] === "copy") cpSync(join(import.meta.dirname, "../../../schemas"), copy, { recursive: true });
