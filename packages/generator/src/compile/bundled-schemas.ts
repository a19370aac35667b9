// The schemas that this package brings along, so that a user's can import them with no configuration: `raceway/v1/*.proto`, and `buf/validate/validate.proto`.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { GenerateFailure } from "../failure.ts";

/** From `src/compile` and `dist/compile` alike. */
const workspace = join(import.meta.dirname, "../../../..");
/** In an installed package beside them. In the workspace at its root, and nowhere else: while the package is packed, there is a copy beside them that goes again. */
const place = existsSync(join(workspace, "pnpm-workspace.yaml")) ? workspace : join(import.meta.dirname, "../..");

/** Roots that are ours, each with a file by which is known whether a user has his own. */
const bundled = [
  { folder: "schemas", file: "raceway/v1/options.proto" },
  { folder: "third-party/protovalidate", file: "buf/validate/validate.proto" },
] as const;

/** Absolute folders, and the import path that each is there for. */
export function bundledSchemas(): readonly { readonly root: string; readonly file: string }[] {
  return bundled.map(({ folder, file }) => {
    const root = join(place, folder);
    if (existsSync(join(root, file))) return { root, file };
    throw new GenerateFailure("tool", `The package @raceway/generator lacks ${folder}/${file}. Install it again.`);
  });
}
