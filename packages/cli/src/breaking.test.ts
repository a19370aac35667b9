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
  expect(code).toBe(1);
  expect(JSON.parse(err)).toEqual({ note: "proto against main: 1 error", errors: 1, warnings: 0, accepted: 0 });
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

const configured = (accept: unknown): string =>
  `export default { generate: [{ inputs: ["proto"], out: "gen" }], breaking: ${JSON.stringify({ accept })} };`;
const lowered = { rule: "limit_lowered", at: "chat.v1.RoomService/Say", why: "Nobody used nine." };

test("what a project accepts is shown, with the reason, and ends with 0", async () => {
  using folder = repository();
  folder.write({ "proto/chat/v1/room.proto": schema(8), "raceway.config.mjs": configured([lowered]) });
  const { code, out, err } = await folder.run("breaking", "--against", "main");
  expect([code, err]).toEqual([0, "proto against main: 1 accepted\n"]);
  expect(out).toMatch(
    /^accepted limit_lowered: Say: max_concurrent was 9, and is 8\n  proto\/chat\/v1\/room\.proto:1:\d+ chat\.v1\.RoomService\/Say\n[^]*\n  why: Nobody used nine\.\n$/,
  );
  const json = await folder.run("breaking", "proto", "--against", "main", "--json");
  expect(JSON.parse(json.out)).toMatchObject({
    rule: "limit_lowered",
    severity: "warning",
    at: "chat.v1.RoomService/Say",
    accepted: "Nobody used nine.",
  });
  const annotation = await folder.run("breaking", "--against", "main", "--error-format", "github-actions");
  expect(annotation.out).toMatch(/^::notice .*accepted: Nobody used nine\.\n$/);
});

test("only what is accepted is: another rule, or another place, is an error", async () => {
  using folder = repository();
  folder.write({
    "proto/chat/v1/room.proto": schema(8).replace("string text", "int32 text"),
    "raceway.config.mjs": configured([lowered]),
  });
  const { code, err } = await folder.run("breaking", "--against", "main");
  expect([code, err]).toEqual([1, "proto against main: 1 error, 1 accepted\n"]);
});

test("an entry that fits nothing any more is told, but not where it could not be looked for", async () => {
  using folder = repository();
  const other = { ...lowered, at: "chat.v1.RoomService/Gone" };
  folder.write({ "proto/chat/v1/room.proto": schema(8), "raceway.config.mjs": configured([lowered, other]) });
  const { code, err } = await folder.run("breaking", "--against", "main");
  expect([code, err]).toEqual([
    0,
    "proto against main: 1 accepted\nwarning accept_unused: breaking.accept has limit_lowered at chat.v1.RoomService/Gone, and nothing of it was found: remove the entry\n",
  ]);
  const json = await folder.run("breaking", "--against", "main", "--json");
  expect(JSON.parse(json.err.split("\n")[1]!)).toMatchObject({ warning: "accept_unused", at: other.at });
  const wire = await folder.run("breaking", "--against", "main", "--level", "wire");
  expect(wire).toMatchObject({ code: 0, err: "proto against main: nothing found\n" });
  const named = await folder.run("breaking", "proto", "--against", "main");
  expect(named.err).toBe("proto against main: 1 accepted\n");
});

test("where nothing was compared, no entry is told to be of no use", async () => {
  const elsewhere = 'export default { generate: [{ inputs: ["new"], out: "gen" }], breaking: ';
  using folder = repository({ "raceway.config.mjs": `${elsewhere}${JSON.stringify({ accept: [lowered] })} };` });
  folder.write({ "new/chat/v1/room.proto": schema(9) });
  const { code, err } = await folder.run("breaking", "--against", "main");
  expect(code).toBe(2);
  expect(err).toContain("raceway: main has none of these schemas, so there is nothing to compare with.");
  expect(err).not.toContain("accept_unused");
});

test.each<[unknown, string]>([
  [[{ ...lowered, rule: "limit_lowerd" }], 'accept[0].rule is "limit_lowerd"; rules are wire_changed, '],
  [[{ ...lowered, at: "" }], "accept[0].at has to be what the finding is about"],
  [[lowered, { ...lowered, why: " " }], "accept[1].why has to say why"],
  [[{ ...lowered, until: "2027" }], "accept[0] has no option until; known are rule, at, why."],
  [lowered, "breaking has to be { accept: [{ rule, at, why }] }."],
])("a list that says nothing is refused: %j", async (accept, message) => {
  using folder = repository({ "raceway.config.mjs": configured(accept) });
  const { code, err } = await folder.run("breaking", "--against", "main");
  expect(code).toBe(2);
  expect(err).toContain(message);
});
