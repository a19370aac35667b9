// The target `openapi`: of each schema file an OpenAPI 3.1 document of its calls over HTTP.
import { type OptionsOf, resolveOptions } from "@raceway/core";
import type { OutputFile, Target } from "@raceway/core/target";
import { documentPath } from "../../output-path.ts";
import { jsonText } from "../json-schema/json.ts";
import { openapiDocument } from "./document.ts";

export const openapiOptions = {
  /** Of the documents; the schema's package unless said. */
  title: { kind: "text", default: "" },
  /** Version of the API. */
  version: { kind: "text", default: "1" },
  /** URL of the server, which the paths are below. */
  server: { kind: "text", default: "" },
} as const;

/** Throws `option_unknown` or `option_invalid` for wrong options. */
export function openapi(given: OptionsOf<typeof openapiOptions> = {}): Target {
  const facts = resolveOptions("openapi", openapiOptions, given);
  return {
    name: "openapi",
    contract: 1,
    perFile: true,
    *generate(model): Generator<OutputFile> {
      for (const file of model.files) {
        const document = openapiDocument(model, file, facts);
        if (document === undefined) continue;
        yield { path: documentPath(file.path, ".openapi.json"), source: file.path, text: jsonText(document) };
      }
    },
  };
}
