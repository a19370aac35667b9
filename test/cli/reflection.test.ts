// Commands that need no schemas, for the server gives its own; and `raceway breaking` against what a server serves.
import { mkdtempSync, cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runCli } from "@raceway/cli";
import { systemClock } from "@raceway/core";
import { rbac } from "@raceway/middleware/rbac";
import { type Raceway, raceway } from "@raceway/server";
import { serveReflection } from "@raceway/server/reflection";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { roomService } from "../gen/chat/v1/room.server.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "../middleware/stage.ts";

// Some start a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const schemas = join(import.meta.dirname, "../schemas");
const operator = ["--token", "ann #operator chat"];
/** The servers: one shows policies to operators, one is open and keeps them to itself, one does not reflect. */
const servers: Record<
  "guarded" | "open" | "mute",
  { readonly app: Raceway; readonly topics: LabPublishers; url: string }
> = {} as never;

beforeAll(async () => {
  for (const kind of ["guarded", "open", "mute"] as const) {
    const transports = [websocket(), sse(), poll(), grpc()];
    const app = raceway({ transports, use: [names, rbac({ default: "public" })] });
    if (kind === "guarded") serveReflection(app, { auth: { require: { roles: ["operator"] } }, policies: true });
    if (kind === "open") serveReflection(app, { auth: { public: true } });
    const topics = app.serve(labService, handlers([], systemClock()));
    app.serve(roomService, { say: ({ text }) => ({ offset: text.length }) });
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    servers[kind] = { app, topics, url };
  }
});
afterAll(() => Promise.all(Object.values(servers).map(({ app }) => app.close(0))));

interface Ended {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** The command line in this process, in a folder of its own; else where there is no raceway.config.ts. */
async function runIn(cwd: string, ...args: readonly string[]): Promise<Ended> {
  let out = "";
  let err = "";
  const code = await runCli(args, {
    cwd,
    out: (text) => void (out += text),
    err: (text) => void (err += text),
  });
  return { code, out, err };
}
const run = (...args: readonly string[]): Promise<Ended> => runIn(import.meta.dirname, ...args);

describe("without schemas", () => {
  test.each(["websocket", "sse", "poll", "grpc"])("calls by %s", async (transport) => {
    expect(await run("call", servers.open.url, "Add", '{"a":2,"b":3}', "-t", transport)).toEqual({
      code: 0,
      out: '{\n  "sum": 5\n}\n',
      err: "",
    });
  });

  test("subscribes, publishes and loads, each as the kind of the channel wants it", async () => {
    const { url, topics } = servers.open;
    await topics.ticks.publish({ board: "x" }, { symbol: "kept" });
    const events = await run("subscribe", url, "Ticks", '{"board":"x"}', "--from", "start", "--count", "1");
    expect(events).toMatchObject({ code: 0, out: expect.stringContaining('"symbol":"kept"') as string });
    expect(await run("publish", url, "Sum", "--json", '{"value":7}')).toMatchObject({
      code: 0,
      out: '{"messages":1,"reply":{"sum":7,"count":1}}\n',
    });
    const load = await run(
      "bench",
      url,
      "Add",
      "{}",
      "--duration",
      "0.2",
      "--warmup",
      "0",
      "--json",
      "-t",
      "websocket",
    );
    expect(JSON.parse(load.out)).toMatchObject({ transport: "websocket", errors: {} });
    expect((await run("subscribe", url, "Count")).err).toContain("lab.v1.LabService/Count is a feed, no topic.");
  });

  test("asks as who the token says", async () => {
    const add = ["call", servers.guarded.url, "Add", '{"a":2,"b":3}'];
    expect((await run(...add, ...operator)).code).toBe(0);
    expect(await run(...add)).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(/does not give its schemas to who is unknown \(unauthenticated: /) as string,
    });
    expect(await run(...add, "--token", "bob")).toMatchObject({
      code: 2,
      out: "",
      err: expect.stringMatching(
        /does not give you its schemas \(permission_denied: .* or name them with --schema\./,
      ) as string,
    });
  });

  test("says that a server has no reflection, and that there is no server", async () => {
    const mute = await run("call", servers.mute.url, "Add", "{}", "--json");
    expect(mute.code).toBe(2);
    expect(JSON.parse(mute.err)).toMatchObject({
      error: "usage",
      message: expect.stringContaining("it has no reflection") as string,
    });
    const nobody = await run("call", "http://127.0.0.1:1", "Add", "{}");
    expect(nobody).toMatchObject({ code: 3, err: expect.stringContaining("cannot be reached") as string });
  });

  test("a project's own schemas win, unless --reflect asks for the server's", async () => {
    const folder = mkdtempSync(join(tmpdir(), "raceway-reflect-"));
    try {
      writeFileSync(
        join(folder, "raceway.config.mjs"),
        'export default { generate: [{ inputs: ["."], out: "gen" }] };',
      );
      writeFileSync(
        join(folder, "other.proto"),
        'syntax = "proto3"; package other.v1; service OtherService { rpc Go(M) returns (M); } message M {}',
      );
      const add = ["call", servers.open.url, "Add", '{"a":2,"b":3}'];
      expect((await runIn(folder, ...add)).err).toContain("other.v1.OtherService/Go");
      expect((await runIn(folder, ...add, "--reflect")).code).toBe(0);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe("inspect", () => {
  test("says what a server serves, and what it promises of each channel", async () => {
    const open = await run("inspect", servers.open.url);
    expect(open).toMatchObject({ code: 0, err: "" });
    expect(open.out).toContain(`${servers.open.url}, 10 channels; its policies it keeps to itself\n`);
    expect(open.out).toContain(
      [
        "  chat.v1.RoomService/Messages (topic)",
        "    chat.v1.MessagesRequest → stream chat.v1.Message",
        "    address: rooms/{room}/messages",
        '    history: {"maxEvents":1000}',
        "  lab.v1.LabService/Echo (call)",
      ].join("\n"),
    );
    expect(open.out).not.toContain("policy");
    const { out } = await run("inspect", servers.guarded.url, ...operator, "--json");
    const { channels } = JSON.parse(out) as { channels: readonly { readonly name: string; readonly policy: object }[] };
    expect(channels.find(({ name }) => name === "chat.v1.RoomService/Say")!.policy).toEqual({
      auth: { require: { scopes: ["chat"] } },
    });
  });
});

describe("breaking", () => {
  /** A copy of the schemas of the servers, one of them edited. */
  function edited(file: string, edit: (text: string) => string): Disposable & { readonly args: readonly string[] } {
    const folder = mkdtempSync(join(tmpdir(), "raceway-served-"));
    for (const one of ["chat", "lab"]) cpSync(join(schemas, one), join(folder, one), { recursive: true });
    writeFileSync(join(folder, file), edit(readFileSync(join(folder, file), "utf8")));
    return {
      args: [folder, "-I", folder],
      [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
    };
  }
  const against = async (
    url: string,
    args: readonly string[],
  ): Promise<Ended & { readonly rules: readonly string[] }> => {
    const ended = await run("breaking", ...args, "--against", url, "--json");
    const lines = ended.out.split("\n").filter((line) => line !== "");
    return { ...ended, rules: lines.map((line) => (JSON.parse(line) as { rule: string }).rule) };
  };

  test("the schemas of which a server was made break nothing of it, policies included", async () => {
    using same = edited("chat/v1/room.proto", (text) => text);
    // With or without the scheme.
    for (const address of [servers.guarded.url, new URL(servers.guarded.url).host]) {
      const ended = await against(address, [...same.args, ...operator]);
      expect(ended).toMatchObject({
        code: 0,
        rules: [],
        err: expect.stringMatching(/: nothing found","errors":0,.*\}\n$/) as string,
      });
    }
  });

  test.each<[string, string, (text: string) => string, readonly string[]]>([
    ["on the wire", "chat/v1/room.proto", (text) => text.replace("string by = 2", "int32 by = 2"), ["wire_changed"]],
    [
      "a channel",
      "lab/v1/lab.proto",
      (text) => text.replace(/  \/\/ Answers each line\.\n.*\n/, ""),
      ["channel_removed"],
    ],
    ["in code", "chat/v1/room.proto", (text) => text.replace("uint32 offset", "int32 offset"), ["source_changed"]],
    [
      "an address",
      "lab/v1/lab.proto",
      (text) => text.replace("boards/{board}/ticks", "b/{board}"),
      ["address_changed"],
    ],
    [
      "a history",
      "chat/v1/room.proto",
      (text) => text.replace("max_events: 1000", "max_events: 10"),
      ["history_shortened"],
    ],
    ["a key", "lab/v1/lab.proto", (text) => text.replace('{ key: "user_id" }', "{}"), ["key_changed"]],
    [
      "a promise",
      "chat/v1/room.proto",
      (text) => text.replace("{ option idempotency_level = IDEMPOTENT; }", ";"),
      ["idempotency_weakened"],
    ],
    ["a cache", "lab/v1/lab.proto", (text) => text.replace("seconds: 60", "seconds: 600"), ["cache_widened"]],
    [
      "a rule about who may",
      "chat/v1/room.proto",
      (text) => text.replace('["chat"]', '["chat", "write"]'),
      ["auth_tightened", "auth_tightened"],
    ],
  ])("finds what changed: %s", async (_, file, edit, rules) => {
    using schema = edited(file, edit);
    const ended = await against(servers.guarded.url, [...schema.args, ...operator]);
    expect({ code: ended.code, rules: ended.rules }).toEqual({ code: 1, rules });
  });

  test("policies that a server keeps to itself are not compared, and that is said", async () => {
    using schema = edited("chat/v1/room.proto", (text) => text.replace('["chat"]', '["chat", "write"]'));
    const ended = await against(servers.open.url, schema.args);
    expect(ended).toMatchObject({ code: 0, rules: [] });
    expect(ended.err).toContain(
      `{"note":"${servers.open.url} keeps its policies to itself, so they are not compared"}\n`,
    );
  });

  test("what others of the project's schemas have is theirs, and what is gone is told once", async () => {
    const folder = mkdtempSync(join(tmpdir(), "raceway-parts-"));
    try {
      cpSync(join(schemas, "lab"), join(folder, "lab/lab"), { recursive: true });
      cpSync(join(schemas, "club"), join(folder, "club/club"), { recursive: true });
      const jobs = ["club", "lab"].map((name) => ({ inputs: [name], protoPath: [name], out: `gen/${name}` }));
      writeFileSync(join(folder, "raceway.config.mjs"), `export default ${JSON.stringify({ generate: jobs })};`);
      const ended = await runIn(folder, "breaking", "--against", servers.open.url, "--level", "wire");
      expect(ended.code).toBe(1);
      // The room's service is in neither.
      expect(ended.out.match(/^error channel_removed: the service chat\.v1\.RoomService is gone/gm)).toHaveLength(1);
      expect(ended.err).toContain(`lab against ${servers.open.url}: nothing found\n`);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });

  test("a server that cannot be asked is no baseline: 2, or 3 if there is none", async () => {
    using schema = edited("chat/v1/room.proto", (text) => text);
    expect(await run("breaking", ...schema.args, "--against", servers.mute.url)).toMatchObject({
      code: 2,
      err: expect.stringContaining("or compare with a file or a revision.") as string,
    });
    expect((await run("breaking", ...schema.args, "--against", servers.guarded.url, "--token", "bob")).code).toBe(2);
    expect((await run("breaking", ...schema.args, "--against", "http://127.0.0.1:1")).code).toBe(3);
  });
});
