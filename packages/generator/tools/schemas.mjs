// Before packing: copies the schemas that the workspace keeps at its root into the package; after it: removes the copies. Run by npm's pack hooks.
import { cpSync, rmSync } from "node:fs";
import { join } from "node:path";

for (const folder of ["schemas", "third-party/protovalidate"]) {
  const copy = join(import.meta.dirname, "..", folder);
  rmSync(copy, { recursive: true, force: true });
  if (process.argv[2] === "copy") cpSync(join(import.meta.dirname, "../../..", folder), copy, { recursive: true });
}
