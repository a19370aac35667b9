// The target `json-schema`: of each schema file the messages and enums as JSON Schema, draft 2020-12.
import { type OptionsOf, resolveOptions } from "@raceway/core";
import type { OutputFile, Target } from "@raceway/core/target";
import { documentPath } from "../../output-path.ts";
import { declaredIn } from "../declared.ts";
import { jsonText } from "./json.ts";
import { schemasOf } from "./schemas.ts";

export const jsonSchemaOptions = {
  /** Refuses properties that the schema does not know. */
  closed: { kind: "boolean", default: false },
} as const;

/** Throws `option_unknown` or `option_invalid` for wrong options. */
export function jsonSchema(given: OptionsOf<typeof jsonSchemaOptions> = {}): Target {
  const { closed } = resolveOptions("json-schema", jsonSchemaOptions, given);
  return {
    name: "json-schema",
    contract: 1,
    perFile: true,
    *generate(model): Generator<OutputFile> {
      for (const { path } of model.files) {
        const declared = declaredIn(model);
        const own = [...declared.messagesOf(path), ...declared.enumsOf(path)];
        if (own.length === 0) continue;
        const $defs = schemasOf(
          model,
          own.map(({ typeName }) => typeName),
          { closed, ref: (typeName) => `#/$defs/${typeName}` },
        );
        yield {
          path: documentPath(path, ".schema.json"),
          source: path,
          text: jsonText({ $schema: "https://json-schema.org/draft/2020-12/schema", $defs }),
        };
      }
    },
  };
}
