// Models of thousands of files: what they declare is looked through once, not once a file.
import type { Model, TargetContext } from "@raceway/core/target";
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";
import { builtInTarget } from "./built-in.ts";

test.each(["json-schema", "markdown"])("%s looks through all messages once", async (name) => {
  const files = Array.from({ length: 9 }, (_, at) => [
    `proto/m${at}.proto`,
    `syntax = "proto3"; package m; message M${at} { Kind${at} kind = 1; } enum Kind${at} { K${at} = 0; }`,
  ]);
  using schema = new SchemaFolder(Object.fromEntries(files));
  const { model, context } = await schema.seen();
  let reads = 0;
  const counted: Model = {
    ...model,
    get messages() {
      reads++;
      return model.messages;
    },
  };
  const made: readonly object[] = [...(await builtInTarget(name).generate(counted, context satisfies TargetContext))];
  expect(made).toHaveLength(files.length);
  expect(reads).toBe(1);
});
