// `raceway scaffold` and `raceway check` as people and CI meet them.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { CommandFolder } from "../test-kit/command-folder.ts";

// Each run starts a compiler for schemas and one for TypeScript, which take their time on a busy machine.
vi.setConfig({ testTimeout: 240_000 });

const schema =
  'syntax = "proto3"; package chat.v1; service RoomService { rpc Say(M) returns (M); rpc Lines(M) returns (stream M); } message M { string text = 1; }';
const config = 'export default { generate: [{ inputs: ["proto"], out: "src/gen" }] };';
/** JavaScript, and no package is installed. */
const server =
  'import { roomService } from "./gen/chat/v1/room.server.js";\nexport const chat = (app) => app.serve(roomService, {\n\tsay: (line) => line\n});\n';
const files = { "proto/chat/v1/room.proto": schema, "raceway.config.mjs": config, "src/chat.js": server };

test("check says what is missing, scaffold begins it, and then nothing is", async () => {
  using folder = new CommandFolder(files);
  expect(await folder.run("check")).toMatchInlineSnapshot(`
    {
      "code": 1,
      "err": "1 service: 1 error
    ",
      "out": "error handler_missing: lines of chat.v1.RoomService is a feed without a handler
      src/chat.js:2:40
        1 | import { roomService } from "./gen/chat/v1/room.server.js";
      > 2 | export const chat = (app) => app.serve(roomService, {
          |                                        ^^^^^^^^^^^
      mend: write it, or have \`raceway scaffold RoomService\` begin it.
    ",
    }
  `);
  expect(await folder.run("scaffold", "RoomService", "--dry-run")).toMatchInlineSnapshot(`
    {
      "code": 0,
      "err": "src/chat.js: would get lines of chat.v1.RoomService
    ",
      "out": "--- a/src/chat.js
    +++ b/src/chat.js
    @@ -1,4 +1,8 @@
     import { roomService } from "./gen/chat/v1/room.server.js";
    +import { Code, ConnectError } from "@connectrpc/connect";
     export const chat = (app) => app.serve(roomService, {
    -	say: (line) => line
    +	say: (line) => line,
    +	async *lines(request, context) {
    +		throw new ConnectError("chat.v1.RoomService/Lines is not implemented yet", Code.Unimplemented);
    +	}
     });
    ",
    }
  `);
  expect(readFileSync(join(folder.path, "src/chat.js"), "utf8")).toBe(server);
  expect(await folder.run("scaffold")).toEqual({
    code: 0,
    out: "",
    err: "src/chat.js: got lines of chat.v1.RoomService\n",
  });
  expect(await folder.run("scaffold")).toEqual({ code: 0, out: "", err: "nothing to add\n" });
  expect(await folder.run("check")).toEqual({ code: 0, out: "", err: "1 service: nothing found\n" });
});

test("as JSON, one object per finding and per file; as annotations of GitHub", async () => {
  using folder = new CommandFolder({ ...files, "src/chat.js": server.replace("say:", "sya:") });
  const check = await folder.run("check", "--json");
  const found = check.out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as { readonly rule: string });
  expect([check.code, found.map(({ rule }) => rule)]).toEqual([
    1,
    ["handler_missing", "handler_missing", "handler_unknown"],
  ]);
  const github = await folder.run("check", "room", "--error-format", "github-actions");
  expect(github.out).toMatch(
    /^::error file=src\/chat\.js,line=2,endLine=2,col=\d+,endColumn=\d+,title=handler_missing::/,
  );
  // What is left to people is a finding, and what was added is none.
  const { code, out } = await folder.run("scaffold", "--json");
  const [left, change] = out
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as object);
  expect([code, left, change]).toEqual([
    1,
    expect.objectContaining({
      rule: "handler_unknown",
      mend: "did you mean say? If the schema has lost it, remove it.",
    }),
    expect.objectContaining({
      file: "src/chat.js",
      change: "changed",
      handlers: [{ service: "chat.v1.RoomService", names: ["say", "lines"] }],
    }),
  ]);
});

test("what is wrong with schemas comes first, and nothing is added", async () => {
  using folder = new CommandFolder({
    ...files,
    "proto/chat/v1/room.proto": schema.replace("string text", "Strin text"),
  });
  const check = await folder.run("check");
  expect(check).toMatchObject({ code: 1, err: "schemas: 1 error\n" });
  expect(check.out).toMatch(/^error name_unknown: Strin /);
  expect(await folder.run("scaffold")).toEqual({ ...check, err: "nothing was added\n" });
});

test("without a configuration, schemas and output are named", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": schema });
  const made = await folder.run("scaffold", "--schemas", "proto", "-o", "src/gen", "--into", "src/rooms.ts");
  expect(made).toEqual({
    code: 0,
    out: "",
    err: "src/rooms.ts: got say, lines of chat.v1.RoomService\n  serve with app.serve(roomService, roomHandlers)\n",
  });
  expect(existsSync(join(folder.path, "src/gen"))).toBe(false);
  expect(readFileSync(join(folder.path, "src/rooms.ts"), "utf8")).toContain(
    'import type { RoomHandlers } from "./gen/chat/v1/room.server.js";',
  );
});

test("wrong use ends with 2, and says what to do", async () => {
  using folder = new CommandFolder(files);
  using empty = new CommandFolder();
  const said = async (where: CommandFolder, ...args: readonly string[]): Promise<readonly unknown[]> => {
    const { code, err } = await where.run(...args);
    return [code, err.split("\n", 1)[0]];
  };
  expect(await said(empty, "check")).toEqual([
    2,
    "raceway: Name --schemas and --out, or write a raceway.config.ts that exports { generate: [{ inputs, out }] }.",
  ]);
  expect(await said(empty, "scaffold", "--schemas", "proto")).toEqual([
    2,
    "raceway: Name the folder that generate writes to with --out.",
  ]);
  expect(await said(folder, "check", "-o", "gen")).toEqual([2, "raceway: Name schemas with --schemas."]);
  expect(await said(folder, "check", "Rom")).toEqual([2, "raceway: There is no service Rom. Known are RoomService."]);
  expect(await said(folder, "scaffold", "--into", "../x.ts")).toEqual([
    2,
    "raceway: ../x.ts is outside of the working folder.",
  ]);
});
