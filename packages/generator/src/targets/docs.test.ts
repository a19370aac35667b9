// docs/generator/targets.md says of each target what the code says.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { SchemaFolder } from "../../test-kit/schema-folder.ts";
import { builtInTargets, defaultTargets, targetOptions } from "./built-in.ts";

const root = join(import.meta.dirname, "../../../..");
const page = readFileSync(join(root, "docs/generator/targets.md"), "utf8");
const [overview = "", ...sections] = page.split(/^## /m);

test("each target has a row and a section, in the order of the help, and no other has", () => {
  const rows = [...overview.matchAll(/^\| \[`([\w-]+)`\]\(#([\w-]+)\) /gm)];
  expect(rows.map(([, name]) => name)).toEqual(builtInTargets);
  expect(rows.map(([, , link]) => link)).toEqual(builtInTargets);
  expect(sections.map((text) => text.slice(0, text.indexOf("\n")))).toEqual(builtInTargets);
  const words = [
    "no",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
  ];
  expect(overview).toContain(
    `${words[builtInTargets.length]!.replace(/^./, (letter) => letter.toUpperCase())} come with the generator`,
  );
});

test("those that are made without a word of them are said to be", () => {
  const marked = [...overview.matchAll(/^\| \[`([\w-]+)`\].*\| yes +\|/gm)].map(([, name]) => name);
  expect(marked).toEqual(defaultTargets);
});

test.each(builtInTargets.map((name, at) => [name, sections[at] ?? ""] as const))(
  "%s: its options with their defaults",
  (name, section) => {
    const said = [...section.matchAll(/^\| `(\w+)` +\| `(.*?)` +\|/gm)].map(([, option, value]) => [option, value]);
    const known = Object.entries(targetOptions(name)).map(([option, { default: value }]) => [
      option,
      JSON.stringify(value),
    ]);
    expect(said).toEqual(known);
    expect(section.includes("No options.")).toBe(known.length === 0);
  },
);

test("what a target is said to write of room.proto it writes, with each excerpt in it", async () => {
  const schema = readFileSync(join(root, "test/schemas/chat/v1/room.proto"), "utf8");
  using folder = new SchemaFolder({ "proto/chat/v1/room.proto": schema });
  const written = builtInTargets.filter((name) => name !== "protoc");
  expect((await folder.generate({ targets: written })).ok).toBe(true);
  const files = [...overview.matchAll(/^\| \[`[\w-]+`\]\S+ +\| (`[^|]*`) +\|/gm)].flatMap(([, cell]) =>
    [...cell!.matchAll(/`(.*?)`/g)].map(([, file]) => `chat/v1/${file}`),
  );
  expect(files.toSorted()).toEqual(folder.list().filter((file) => file.startsWith("chat/")));
  const excerpts = [...page.matchAll(/^`(chat\/\S+)`:\n\n(?:<!-- .* -->\n\n)?```\w+\n([^]*?)```$/gm)];
  expect(excerpts).toHaveLength(written.length);
  for (const [, file, text] of excerpts) expect(folder.read(`gen/${file}`)).toContain(text);
});
