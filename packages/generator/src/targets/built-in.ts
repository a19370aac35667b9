// The targets that come with the generator, by name, and how the command line says their options.
import { type OptionTable, type OptionsOf, resolveOptions } from "@raceway/core";
import type { Target } from "@raceway/core/target";
import { GenerateFailure, reasonText } from "../failure.ts";
import { nearest } from "../near.ts";
import { asyncapi, asyncapiOptions } from "./asyncapi/target.ts";
import { esTarget } from "./es/target.ts";
import { jsonSchema, jsonSchemaOptions } from "./json-schema/target.ts";
import { markdown } from "./markdown/target.ts";
import { mock } from "./mock/target.ts";
import { openapi, openapiOptions } from "./openapi/target.ts";
import { protoc, protocOptions } from "./protoc/target.ts";
import { query } from "./query/target.ts";
import { tsTarget } from "./ts/target.ts";

interface BuiltIn {
  readonly options: OptionTable;
  create(options: OptionsOf<OptionTable>): Target;
}

export type BuiltInTarget =
  | "es"
  | "ts"
  | "query"
  | "mock"
  | "json-schema"
  | "openapi"
  | "asyncapi"
  | "markdown"
  | "protoc";

const builtIn: Readonly<Record<BuiltInTarget, BuiltIn>> = {
  es: { options: {}, create: () => esTarget() },
  ts: { options: {}, create: () => tsTarget() },
  query: { options: {}, create: () => query() },
  mock: { options: {}, create: () => mock() },
  "json-schema": { options: jsonSchemaOptions, create: jsonSchema },
  openapi: { options: openapiOptions, create: openapi },
  asyncapi: { options: asyncapiOptions, create: asyncapi },
  markdown: { options: {}, create: () => markdown() },
  protoc: { options: protocOptions, create: (options) => protoc({ plugin: "", ...options }) },
};

/** What is generated unless it is said otherwise. */
export const defaultTargets: readonly BuiltInTarget[] = ["es", "ts"];

/** In the order in which they are told to people. */
export const builtInTargets: readonly BuiltInTarget[] = Object.keys(builtIn) as BuiltInTarget[];

export function isBuiltIn(name: string): name is BuiltInTarget {
  return Object.hasOwn(builtIn, name);
}

/** With types and defaults, as {@link builtInTarget} takes them. */
export function targetOptions(name: BuiltInTarget): OptionTable {
  return builtIn[name].options;
}

/**
 * A built-in target with options as a command line has them, as text. Throws a `GenerateFailure` of kind "usage" that names the
 * target, the option and what it may be.
 */
export function builtInTarget(name: string, given: Readonly<Record<string, string>> = {}): Target {
  if (!isBuiltIn(name)) {
    const meant = nearest(name, builtInTargets);
    throw new GenerateFailure(
      "usage",
      `There is no target ${JSON.stringify(name)}${meant === undefined ? "." : `; did you mean ${meant}?`} Built in are ${builtInTargets.slice(0, -1).join(", ")} and ${builtInTargets.at(-1)!}.`,
    );
  }
  const { options, create } = builtIn[name];
  try {
    return create(resolveOptions(name, options, fromText(options, given)));
  } catch (error) {
    throw new GenerateFailure("usage", reasonText(error), { cause: error });
  }
}

/** What cannot be read stays text, and is refused as such. */
function fromText(table: OptionTable, given: Readonly<Record<string, string>>): OptionsOf<OptionTable> {
  const read = (name: string, text: string): unknown => {
    switch (Object.hasOwn(table, name) ? table[name]!.kind : "text") {
      case "number":
        return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
      case "boolean":
        return text === "true" || (text === "false" ? false : text);
      case "list":
        return text.split(",");
      case "text":
        return text;
    }
  };
  return Object.fromEntries(
    Object.entries(given).map(([name, text]) => [name, read(name, text)]),
  ) as OptionsOf<OptionTable>;
}
