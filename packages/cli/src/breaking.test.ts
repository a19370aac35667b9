// `raceway breaking` as people and CI meet it.
import { execFileSync } from "node:child_process";
import { expect, test, vi } from "vitest";
import { CommandFolder } from "../test-kit/command-folder.ts";

// Each run starts compilers, which take their time on a busy machine.
vi.setConfig({ testTimeout: 60_000 });

const schema = (limit: number): string =>
  `syntax = "proto3"; package chat.v1; import "raceway/v1/options.proto"; service RoomService { rpc Say(M) returns (M) { option (raceway.v1.policy).max_concurrent = ${limit}; } } message M { string text = 1; }`;

/** A repository whose last commit allows nine at a time. */
function repository(files: Readonly<Record<string, string>> = {}): CommandFolder {
  const folder = new CommandFolder({ "proto/chat/v1/room.proto": schema(9), ...files });
  const env = { PATH: process.env["PATH"], GIT_CONFIG_GLOBAL: "/dev/null", GIT_CONFIG_SYSTEM: "/dev/null" };
  const git = (...args: readonly string[]): void =>
    void execFileSync("git", ["-c", "user.name=Test", "-c", "user.email=test@example.com", ...args], {
      cwd: folder.path,
      env,
    });
  git("init", "-q", "-b", "main");
  git("add", "-A");
  git("commit", "-q", "-m", "schemas");
  return folder;
}

test("what breaks nothing is said to, and ends with 0", async () => {
  using folder = repository();
  folder.write({ "proto/chat/v1/room.proto": schema(10) });
  expect(await folder.run("breaking", "proto", "--against", "main")).toEqual({
    code: 0,
    out: "",
    err: "proto against main: nothing found\n",
  });
});

test("what breaks ends with 1, unless the level leaves it out", async () => {
  using folder = repository();
  folder.write({ "proto/chat/v1/room.proto": schema(8) });
  const { code, out, err } = await folder.run("breaking", "proto", "--against", "main", "--json");
  expect([code, err]).toEqual([1, "proto against main: 1 error\n"]);
  expect(JSON.parse(out)).toMatchObject({
    rule: "limit_lowered",
    message: "Say: max_concurrent was 9, and is 8",
    file: "proto/chat/v1/room.proto",
    range: { line: 1 },
  });
  expect((await folder.run("breaking", "proto", "--against", "main", "--level", "source")).code).toBe(0);
});

test("without arguments, what raceway.config generates from is compared", async () => {
  using folder = repository({
    "raceway.config.mjs": 'export default { generate: [{ inputs: ["proto"], out: "gen" }] };',
  });
  folder.write({ "proto/chat/v1/room.proto": schema(8) });
  expect((await folder.run("breaking", "--against", "HEAD")).err).toBe("proto against HEAD: 1 error\n");
});

test("schemas that are new break nothing, but there has to be something to compare with", async () => {
  using folder = repository();
  folder.write({
    "more/more/v1/more.proto": schema(1).replace("chat.v1", "more.v1"),
    "raceway.config.mjs":
      'export default { generate: [{ inputs: ["more"], out: "gen/more" }, { inputs: ["proto"], out: "gen" }] };',
  });
  expect(await folder.run("breaking", "--against", "main")).toEqual({
    code: 0,
    out: "",
    err: "more against main: was not there, so nothing of it breaks\nproto against main: nothing found\n",
  });
  expect((await folder.run("breaking", "more", "--against", "main")).code).toBe(2);
});

test("a wrong use ends with 2", async () => {
  using folder = repository();
  expect(await folder.run("breaking", "proto", "--against", "nowhere")).toMatchObject({
    code: 2,
    err: expect.stringContaining("nowhere is neither a file nor a revision") as string,
  });
  expect((await folder.run("breaking", "proto")).code).toBe(2);
  expect((await folder.run("breaking", "proto", "--against", "main", "--level", "all")).code).toBe(2);
});
