// The schemas that this package brings along, so that a user's can import them with no configuration: `raceway/v1/*.proto`, and `buf/validate/validate.proto`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { GenerateFailure } from "../failure.ts";

/** From `src/compile` and `dist/compile` alike: in an installed package beside them, in the workspace at its root. */
const places = ["../..", "../../../.."];

/** Roots that are ours, each with a file by which is known whether a user has his own. */
const bundled = [
  { folder: "schemas", file: "raceway/v1/options.proto" },
  { folder: "third-party/protovalidate", file: "buf/validate/validate.proto" },
] as const;

/** Absolute folders, and the import path that each is there for. */
export function bundledSchemas(): readonly { readonly root: string; readonly file: string }[] {
  return bundled.map(({ folder, file }) => {
    for (const place of places) {
      const root = join(import.meta.dirname, place, folder);
      if (existsSync(join(root, file))) return { root, file };
    }
    throw new GenerateFailure("tool", `The package @raceway/generator lacks ${folder}/${file}. Install it again.`);
  });
}
