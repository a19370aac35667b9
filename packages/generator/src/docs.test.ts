// docs/schema.md and the schema of options say the same, in both directions.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { DescMessage } from "@bufbuild/protobuf";
import { expect, test } from "vitest";
import * as options from "./gen/raceway/v1/options_pb.ts";
import { rules } from "./rules.ts";

const root = join(import.meta.dirname, "../../..");
const page = readFileSync(join(root, "docs/schema.md"), "utf8");
/** First cells of all tables: what the page documents. */
const documented = [...page.matchAll(/^\| (`.*?`)(?:, (`.*?`))? \|/gm)].flatMap(([, first, second]) =>
  [first, second].filter((name) => name !== undefined).map((name) => name.replaceAll("`", "")),
);

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
    ...settings(options.HistorySchema, "history."),
    ...settings(options.ConflationSchema, "conflation."),
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

test("every rule is documented with the sentence it has in the code", () => {
  for (const [rule, sentence] of Object.entries(rules)) expect(page).toContain(`| \`${rule}\` | ${sentence} |\n`);
});

test("every message and field of the options has a comment", () => {
  const lines = readFileSync(join(root, "schemas/raceway/v1/options.proto"), "utf8").split("\n");
  const bare = lines.filter((line, at) => {
    const declares =
      /^(message|extend) |^ *[\w.<>, ]+ \w+ = \d+/.test(line) &&
      !/_UNSPECIFIED|^\s*\/\//.test(line) &&
      !/^extend/.test(line);
    return declares && !/^\s*\/\//.test(lines[at - 1]!);
  });
  expect(bare).toEqual([]);
});
