// The target `asyncapi`: of each schema file an AsyncAPI 3 document of its channels.
import { type OptionsOf, resolveOptions } from "@raceway/core";
import type { OutputFile, Target } from "@raceway/core/target";
import { documentPath } from "../../output-path.ts";
import { jsonText } from "../json-schema/json.ts";
import { asyncapiDocument } from "./document.ts";

export const asyncapiOptions = {
  /** Of the documents; the schema's package unless said. */
  title: { kind: "text", default: "" },
  /** Version of the API. */
  version: { kind: "text", default: "1" },
} as const;

/** Throws `option_unknown` or `option_invalid` for wrong options. */
export function asyncapi(given: OptionsOf<typeof asyncapiOptions> = {}): Target {
  const facts = resolveOptions("asyncapi", asyncapiOptions, given);
  return {
    name: "asyncapi",
    contract: 1,
    perFile: true,
    *generate(model): Generator<OutputFile> {
      for (const file of model.files) {
        const document = asyncapiDocument(model, file, facts);
        if (document === undefined) continue;
        yield { path: documentPath(file.path, ".asyncapi.json"), source: file.path, text: jsonText(document) };
      }
    },
  };
}
