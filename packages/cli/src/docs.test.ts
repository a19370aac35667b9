// docs/cli.md held against the help: each command has its section, and each section the words of the help. `vitest -u` writes them anew.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCli } from "./cli.ts";
import type { Command } from "./command.ts";
import { commands } from "./commands/index.ts";

const path = join(import.meta.dirname, "../../../docs/cli.md");
const page = readFileSync(path, "utf8");

/** As they are typed: "generate", "plugin test". */
function typed(known: readonly Command[]): readonly string[] {
  return known.flatMap(({ name, commands: inner }) =>
    inner.length === 0 ? [name] : typed(inner).map((one) => `${name} ${one}`),
  );
}

async function helpOf(command: string): Promise<string> {
  let text = "";
  const args = [...command.split(" ").filter((word) => word !== ""), "--help"];
  const take = (more: string): void => void (text += more);
  expect(await runCli(args, { cwd: ".", out: take, err: take })).toBe(0);
  return text;
}

test("each command has a section of its name, in the order of the help", () => {
  const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading);
  expect(headings).toEqual(["raceway", ...typed(commands)]);
});

test("each section has the words of the help", async () => {
  const parts = page.split(/(?<=^## .+\n\n)```text\n[^]*?\n```(?=\n)/m);
  const headings = [...page.matchAll(/^## (.+)$/gm)].map(([, heading]) => heading!);
  expect(parts).toHaveLength(headings.length + 1);
  let expected = parts[0]!;
  for (const [at, heading] of headings.entries()) {
    const help = await helpOf(heading === "raceway" ? "" : heading);
    expected += `\`\`\`text\n$ ${heading === "raceway" ? "" : "raceway "}${heading} --help\n${help.trimEnd()}\n\`\`\`${parts[at + 1]}`;
  }
  await expect(expected).toMatchFileSnapshot(path);
});

test("each command teaches by examples that begin with it, and says how it ends", async () => {
  for (const command of typed(commands)) {
    const help = await helpOf(command);
    expect(help).toMatch(new RegExp(`^Examples:\\n {2}raceway ${command}\\b`, "m"));
    expect(help.replaceAll(/\s+/g, " ")).toMatch(/Exit codes: 0 fine, .*2 wrong use, 3 a tool failed $/);
  }
});
