// What the command line says to who uses it wrongly, to programs, and on narrow terminals.
import { readdirSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { CommandFolder } from "../test-kit/command-folder.ts";
import { runCli } from "./cli.ts";

// Generating starts a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const room =
  'syntax = "proto3"; package chat.v1; service RoomService { rpc Say(M) returns (M); } message M { string text = 1; }';

test("wrong use ends with 2, and says what to do", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const said: Record<string, string> = {};
  for (const args of [
    "",
    "genrate",
    "bogus",
    "generate",
    "generate proto",
    "generate --out gen",
    "generate nope --out gen",
    "generate proto --chek",
    "generate proto -o gen --import-extension cjs",
    "generate proto -o gen --out other",
    "generate proto --out",
    "breaking proto",
    "init --template nope",
    "nope --json",
    "plugin",
    "plugin bogus",
    "plugin new",
    "plugin new codec",
    "plugin test nope",
    "completion bash more",
    "call localhost:1 Say --path api",
    "call localhost:1 Say {} --timeout 1e12",
    "call localhost:1 Say {} -s proto --call-timeout x",
    "dev nope.ts --grace -1",
  ]) {
    const { code, out, err } = await folder.run(...args.split(" ").filter((arg) => arg !== ""));
    expect({ code, out }, args).toEqual({ code: 2, out: "" });
    said[args] = err;
  }
  expect(said).toMatchInlineSnapshot(`
    {
      "": "raceway: Name a command.
    See raceway --help.
    ",
      "bogus": "raceway: There is no command bogus.
    See raceway --help.
    ",
      "breaking proto": "raceway: --against is missing.
    See raceway breaking --help.
    ",
      "call localhost:1 Say --path api": "raceway: --path is api; it has to begin with a slash, as /raceway.
    See raceway call --help.
    ",
      "call localhost:1 Say {} --timeout 1e12": "raceway: --timeout is 1000000000000; it has to be more than 0 and at most 2147482 seconds.
    See raceway call --help.
    ",
      "call localhost:1 Say {} -s proto --call-timeout x": "raceway: --call-timeout is NaN; it has to be more than 0 and at most 2147482 seconds.
    See raceway call --help.
    ",
      "completion bash more": "raceway: Unknown argument: more
    See raceway completion --help.
    ",
      "dev nope.ts --grace -1": "raceway: There is no file nope.ts. Name the one that starts the server.
    See raceway dev --help.
    ",
      "generate": "raceway: Name schema files and --out, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.
    See raceway generate --help.
    ",
      "generate --out gen": "raceway: Name schema files, or folders that have some.
    See raceway generate --help.
    ",
      "generate nope --out gen": "raceway: There is no nope. Name .proto files, or folders that have some.
    See raceway generate --help.
    ",
      "generate proto": "raceway: Name the folder to write to with --out.
    See raceway generate --help.
    ",
      "generate proto --chek": "raceway: Unknown argument: chek
    See raceway generate --help.
    ",
      "generate proto --out": "raceway: --out needs a value.
    See raceway generate --help.
    ",
      "generate proto -o gen --import-extension cjs": "raceway: --import-extension is "cjs"; it has to be one of "js", "ts", "none".
    See raceway generate --help.
    ",
      "generate proto -o gen --out other": "raceway: --out is there twice; it can have one value.
    See raceway generate --help.
    ",
      "genrate": "raceway: Did you mean generate?
    See raceway --help.
    ",
      "init --template nope": "raceway: --template is "nope"; it has to be one of "both", "server", "browser".
    See raceway init --help.
    ",
      "nope --json": "{"error":"usage","message":"There is no command nope.","exitCode":2}
    ",
      "plugin": "raceway: Name what to do: new, test.
    See raceway plugin --help.
    ",
      "plugin bogus": "raceway: There is no command plugin bogus.
    See raceway plugin --help.
    ",
      "plugin new": "raceway: <kind> and <folder> are missing: raceway plugin new <kind> <folder>
    See raceway plugin new --help.
    ",
      "plugin new codec": "raceway: <folder> is missing: raceway plugin new <kind> <folder>
    See raceway plugin new --help.
    ",
      "plugin test nope": "raceway: There is no file or package nope. Build the plugin, or correct the path.
    See raceway plugin test --help.
    ",
    }
  `);
  expect(readdirSync(folder.path)).toEqual(["proto"]);
});

test("what went wrong is JSON to whom wants JSON", async () => {
  using folder = new CommandFolder();
  const { code, out, err } = await folder.run("generate", "nope", "--out", "gen", "--json");
  expect({ code, out, said: JSON.parse(err) as unknown }).toEqual({
    code: 2,
    out: "",
    said: {
      error: "usage",
      message: "There is no nope. Name .proto files, or folders that have some.",
      exitCode: 2,
    },
  });
});

test("with --json, standard error is JSON to its last line; what stands behind -- is for others", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room, "gen.mjs": "" });
  const objects = (text: string): readonly unknown[] =>
    text
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as unknown);
  for (const json of [["--json"], ["--json=true"], ["--error-format", "json"], ["--error-format=json"]]) {
    const lint = await folder.run("lint", "proto", ...json);
    expect(objects(lint.err)).toEqual([{ note: "proto: nothing found", errors: 0, warnings: 0, accepted: 0 }]);
    const { code, err } = await folder.run("lint", "nope", ...json);
    expect({ code, said: objects(err) }).toMatchObject({ code: 2, said: [{ error: "usage", exitCode: 2 }] });
  }
  expect(objects((await folder.run("generate", "proto", "-o", "gen", "--json")).err)).toEqual([
    { note: "gen: 4 added", out: "gen" },
  ]);
  expect(objects((await folder.run("doctor", "--json")).err)).toMatchObject([{ errors: 0 }]);
  expect((await folder.run("lint", "proto", "--json", "false")).err).toBe("proto: nothing found\n");
  expect((await folder.run("dev", "nope.ts", "--", "--json")).err).toMatch(/^raceway: There is no file nope.ts/);
});

test("help fits a narrow terminal, and progress stays on its line", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const run = async (columns: number, ...args: readonly string[]): Promise<{ out: string; err: string }> => {
    let [out, err] = ["", ""];
    const terminal = {
      terminal: true,
      columns,
      out: (text: string) => (out += text),
      err: (text: string) => (err += text),
    };
    await runCli(args, { cwd: folder.path, ...terminal });
    return { out, err };
  };
  const widest = (text: string): number => Math.max(...text.split("\n").map((line) => line.length));
  expect(widest((await run(70, "lint", "--help")).out)).toBeLessThanOrEqual(70);
  expect(widest((await run(300, "lint", "--help")).out)).toBeLessThanOrEqual(100);
  const { err } = await run(20, "lint", "proto");
  const shown = err.split("\r\u001b[2K");
  expect(shown).toContain("proto: compiling 1 "); // 19 signs
  expect(shown.at(-1)).toBe("proto: nothing found\n");
});

test("what may be repeated takes one value each time, wherever it stands", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": room });
  const args = ["--target", "es", "--target", "markdown", "-I", "proto", "proto", "--out", "gen"];
  expect(await folder.run("generate", ...args)).toEqual({ code: 0, out: "", err: "gen: 2 added\n" });
  expect((await folder.run("generate", "--target", "es", "markdown", "proto", "--out", "gen")).err).toContain(
    "There is no markdown.",
  );
});
