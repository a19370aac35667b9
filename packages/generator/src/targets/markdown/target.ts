// The target `markdown`: of each schema file a page of reference.
import type { OutputFile, Target } from "@raceway/core/target";
import { documentPath } from "../../output-path.ts";
import { markdownPage } from "./document.ts";

export function markdown(): Target {
  return {
    name: "markdown",
    contract: 1,
    *generate(model): Generator<OutputFile> {
      for (const file of model.files) {
        const text = markdownPage(model, file);
        if (text !== undefined) yield { path: documentPath(file.path, ".md"), source: file.path, text };
      }
    },
  };
}
