// docs/schema.md and the schema of options say the same, in both directions.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import * as options from "./gen/raceway/v1/options_pb.ts";
import { inertOptions } from "./lint/inert.ts";
import { rules } from "./rules.ts";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/schema.md"), "utf8");
/** Cells of all rows of all tables. */
const rows = [...page.matchAll(/^\|(.*)\|$/gm)].map(([, row]) => row!.split("|").map((cell) => cell.trim()));
/** First cells: what the page documents. */
const documented = rows.flatMap(([first]) => [...first!.matchAll(/`(.*?)`/g)].map(([, name]) => name!));

/** "topic.history" and the like: each field under the name of what has it. */
function settings(message: DescMessage, prefix: string): readonly string[] {
  return message.fields.map((field) => prefix + field.name);
}

test("every option is documented, and every documented option is there", () => {
  const kinds = options.ChannelSchema.oneofs[0]!.fields;
  const empty = kinds.filter((field) => field.message!.fields.length === 0).map((field) => field.name);
  const all = [
    ...kinds.flatMap((field) => settings(field.message!, `${field.name}.`)),
    ...empty,
    ...settings(options.WireRulesSchema, "wire."),
    ...settings(options.TransportRulesSchema, "transport."),
    ...settings(options.CacheRulesSchema, "cache."),
    ...settings(options.HistorySchema, "history."),
    ...settings(options.ConflationSchema, "conflation."),
    "errors",
    ...settings(options.ErrorRuleSchema, "errors."),
    ...settings(options.FieldRulesSchema, ""),
    ...settings(options.ServerPolicySchema, "").filter((name) => name !== "auth"),
    ...settings(options.AuthRuleSchema, "auth."),
    ...settings(options.AuthRule_RequireSchema, "require."),
    ...settings(options.RateLimitSchema, "rate_limits."),
    ...options.file_raceway_v1_options.extensions
      .filter(({ name }) => /^(file|service)/.test(name))
      .map(({ typeName }) => `(${typeName})`),
    ...kinds.map((field) => field.name), // the table of kinds
    ...Object.keys(rules),
  ];
  expect([...new Set(documented)].toSorted()).toEqual([...new Set(all)].toSorted());
});

test("options that nothing acts on yet are marked, and no others", () => {
  const marked = rows
    .filter((cells) => cells.at(-1)!.includes("**not yet**"))
    .map(([first]) => first!.replaceAll("`", ""));
  expect(marked.toSorted()).toEqual(inertOptions.toSorted());
});

test("every rule is documented with the sentence it has in the code", () => {
  const said = Object.fromEntries(rows.map(([first, second]) => [first!.replaceAll("`", ""), second]));
  expect(said).toMatchObject(rules);
});

test("every message and field of the options has a comment", () => {
  const lines = readFileSync(join(root, "schemas/raceway/v1/options.proto"), "utf8").split("\n");
  const bare = lines.filter((line, at) => {
    const declares =
      /^(message|extend) |^ *[\w.<>, ]+ \w+ = \d+/.test(line) &&
      !/_UNSPECIFIED|^\s*\/\//.test(line) &&
      !line.startsWith("extend");
    return declares && !/^\s*\/\//.test(lines[at - 1]!);
  });
  expect(bare).toEqual([]);
});
