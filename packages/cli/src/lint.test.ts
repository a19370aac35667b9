// `raceway lint` as people and CI meet it.
import { readdirSync } from "node:fs";
import { expect, test, vi } from "vitest";
import { CommandFolder } from "../test-kit/command-folder.ts";

// Each run starts a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const schema = (rpc: string): string =>
  `syntax = "proto3"; package chat.v1; import "raceway/v1/options.proto"; service RoomService { ${rpc} } message M { string text = 1; }`;
const fine = schema("rpc Say(M) returns (M);");
const wrong = schema("rpc Say(M) returns (M) { option (raceway.v1.channel).feed = {}; }");
/** Nothing acts on `window_messages` yet. */
const inert = schema("rpc Say(M) returns (M) { option (raceway.v1.channel).wire = { window_messages: 2 }; }");

test("what is fine is said to be, and nothing is generated", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": fine });
  expect(await folder.run("lint", "proto")).toEqual({ code: 0, out: "", err: "proto: nothing found\n" });
  expect(readdirSync(folder.path)).toEqual(["proto"]);
});

test("what generate would refuse ends with 1", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": wrong });
  const { code, out, err } = await folder.run("lint", "proto");
  expect([code, err]).toEqual([1, "proto: 1 error\n"]);
  expect(out).toMatch(/^error kind_shape: a feed is /);
  expect((await folder.run("generate", "proto", "--out", "gen")).out).toBe(out);
});

test("a schema that is no protobuf ends with 1", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": fine.replace("string text", "Strin text") });
  const { code, out } = await folder.run("lint", "proto", "--json");
  expect(code).toBe(1);
  expect(JSON.parse(out)).toMatchObject({ rule: "name_unknown", file: "proto/chat/v1/room.proto", range: { line: 1 } });
});

test("warnings end with 1 only if they are to count", async () => {
  using folder = new CommandFolder({ "proto/chat/v1/room.proto": inert });
  const { code, out, err } = await folder.run("lint", "proto", "--error-format", "github-actions");
  expect([code, err]).toEqual([0, "proto: 1 warning\n"]);
  expect(out).toMatch(/^::warning file=proto\/chat\/v1\/room\.proto,line=1,.*title=option_inert::/);
  expect((await folder.run("lint", "proto", "--strict")).code).toBe(1);
});

test("without arguments, what raceway.config generates from is looked at, each once", async () => {
  using folder = new CommandFolder({
    "proto/chat/v1/room.proto": inert,
    "raceway.config.mjs":
      'export default { generate: [{ inputs: ["proto"], out: "a" }, { inputs: ["proto"], out: "b", targets: ["openapi"] }] };',
  });
  expect((await folder.run("lint")).err).toBe("proto: 1 warning\n");
});

test("without anything to look at, it says what to name", async () => {
  using folder = new CommandFolder();
  expect(await folder.run("lint")).toMatchObject({
    code: 2,
    err: expect.stringContaining("Name schema files") as string,
  });
  expect((await folder.run("lint", "-I", "proto")).code).toBe(2);
  expect((await folder.run("lint", "nowhere")).code).toBe(2);
});
