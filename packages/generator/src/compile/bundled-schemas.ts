// Where this package keeps `raceway/v1/*.proto`, so that a user's schema can import them with no configuration.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { GenerateFailure } from "../failure.ts";

/** From `src/compile` and `dist/compile` alike: in an installed package beside them, in the workspace at its root. */
const places = ["../../schemas", "../../../../schemas"];

/** Absolute folder that `raceway/v1/options.proto` is in. */
export function bundledSchemas(): string {
  for (const place of places) {
    const path = join(import.meta.dirname, place);
    if (existsSync(join(path, "raceway/v1/options.proto"))) return path;
  }
  throw new GenerateFailure(
    "tool",
    "The package @raceway/generator lacks schemas/raceway/v1/options.proto. Install it again.",
  );
}
