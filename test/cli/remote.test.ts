// `raceway call`, `subscribe` and `publish` against a real server, by each transport.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { ConnectError, Code } from "@connectrpc/connect";
import { runCli } from "@raceway/cli";
import { definePlugin, systemClock } from "@raceway/core";
import { rbac } from "@raceway/middleware/rbac";
import { raceway, type Raceway } from "@raceway/server";
import { serveAdmin } from "@raceway/server/admin";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "../middleware/stage.ts";
import { racewayCommand, RunningCommand } from "./raceway.ts";

// Each starts processes and a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const schemas = join(import.meta.dirname, "../schemas");
const calls: string[] = [];
let app: Raceway;
let topics: LabPublishers;
let url: string;

const seen: { readonly credential: string | undefined; readonly tenant: string | null }[] = [];
const doorman = definePlugin({
  name: "doorman",
  start: () => ({
    session({ credential, headers }) {
      seen.push({ credential, tenant: headers.get("x-tenant") });
      if (credential === "wrong") throw new ConnectError("nobody knows you", Code.Unauthenticated);
    },
  }),
});

beforeAll(async () => {
  app = raceway({ transports: [websocket(), sse(), poll(), grpc()], use: [doorman] });
  topics = app.serve(labService, handlers(calls, systemClock()));
  ({ url } = await app.listen({ port: 0, host: "127.0.0.1" }));
});
afterAll(() => app.close(0));

const run = (command: string, args: readonly string[], input?: string): ReturnType<typeof racewayCommand> =>
  racewayCommand([command, url, ...args, "--schema", schemas, "--proto-path", schemas], input);

test.each(["websocket", "sse", "poll", "grpc"])("calls by %s", async (transport) => {
  expect(await run("call", ["lab.v1.LabService/Add", '{"a":2,"b":3}', "--transport", transport])).toEqual({
    code: 0,
    out: '{\n  "sum": 5\n}\n',
    err: "",
  });
});

test("requests come from standard input, replies go a line each", async () => {
  expect((await run("call", ["Add", "--json"], '{"a":2,"b":3}')).out).toBe('{"sum":5}\n');
  expect((await run("call", ["Count", '{"from":1,"to":3}'])).out).toBe('{"value":1}\n{"value":2}\n{"value":3}\n');
  expect((await run("call", ["LabService.Sum"], '{"value":1}\n\n{"value":41}')).out).toBe(
    '{\n  "sum": 42,\n  "count": 2\n}\n',
  );
  expect((await run("call", ["Chat"], '{"text":"hi"}\n{"text":"ho"}\n')).out).toBe('{"text":"hi!"}\n{"text":"ho!"}\n');
});

test("a request may go over several lines of standard input", async () => {
  expect((await run("call", ["Add", "--json"], '{\n  "a": 2,\n  "b": 3\n}\n')).out).toBe('{"sum":5}\n');
  expect(await run("call", ["Add"], '{"a":2}\n{"a":3}\n')).toMatchObject({
    code: 2,
    err: expect.stringContaining("The request is no JSON: ") as string,
  });
});

test("who is to type at a terminal is told what", async () => {
  const typing = async (typed: boolean, text: string, ...args: readonly string[]): Promise<object> => {
    let [out, err] = ["", ""];
    const input = Readable.from([new TextEncoder().encode(text)]);
    const given = {
      cwd: ".",
      typed,
      input,
      out: (said: string) => (out += said),
      err: (said: string) => (err += said),
    };
    const code = await runCli([...args, "-s", schemas, "-I", schemas], given);
    return { code, out, err };
  };
  const add = ["call", url, "Add", "--json"];
  const asked = "type a lab.v1.AddRequest as JSON; Ctrl-D ends it";
  expect(await typing(true, '{"a":4}', ...add.slice(0, -1))).toMatchObject({ code: 0, err: `${asked}\n` });
  expect(await typing(true, '{"a":4}', ...add)).toEqual({ code: 0, out: '{"sum":4}\n', err: `{"note":"${asked}"}\n` });
  expect(await typing(false, '{"a":4}', ...add)).toEqual({ code: 0, out: '{"sum":4}\n', err: "" });
  expect(await typing(true, "", ...add, '{"a":4}')).toEqual({ code: 0, out: '{"sum":4}\n', err: "" });
  expect(await typing(true, '{"userId":"zoe","x":1}\n', "publish", url, "Cursor")).toEqual({
    code: 0,
    out: "",
    err: "type each lab.v1.CursorRequest as JSON on a line of its own; Ctrl-D ends them\n1 message sent\n",
  });
});

test("what a server says moves no cursor", async () => {
  const echo = ["call", url, "Echo", '{"text":"\\u001b[2J\\u009b2J"}', "-s", schemas, "-I", schemas];
  expect((await racewayCommand([...echo, "--json"])).out).toBe('{"text":"\\u001b[2J\\u009b2J"}\n');
  const hostile = raceway({ transports: [websocket()] });
  hostile.serve(labService, {
    ...handlers([], systemClock()),
    add() {
      throw new ConnectError("no\u001b[2J\nraceway: all is fine", Code.Aborted);
    },
  });
  const { url: at } = await hostile.listen({ port: 0, host: "127.0.0.1" });
  const { err } = await racewayCommand(["call", at, "Add", "{}", "-s", schemas, "-I", schemas]);
  await hostile.close(0);
  expect(err).toBe("aborted: no\\u001b[2J raceway: all is fine\n");
});

test("a conversation goes line by line, as it is typed", async () => {
  const command = new RunningCommand(["call", url, "Chat", "--schema", schemas, "-I", schemas]);
  command.child.stdin.write('{"text":"one"}\n');
  await command.said('{"text":"one!"}\n');
  command.child.stdin.write('{"text":"two"}\n');
  await command.said('{"text":"two!"}\n');
  expect((await command.end()).code).toBe(0);
});

test("subscribes from now on and from the start, with positions to go on from", async () => {
  const board = `board-${Date.now()}`;
  await topics.ticks.publish({ board }, { symbol: "first" });
  await topics.ticks.publish({ board }, { symbol: "second" });
  const key = JSON.stringify({ board });
  const all = await run("subscribe", ["Ticks", key, "--from", "start", "--count", "2", "--json"]);
  expect({ code: all.code, err: all.err }).toEqual({ code: 0, err: "" });
  const [first, second] = all.out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { position: { epoch: string; offset: number }; event: { symbol: string } });
  expect([first!.event.symbol, second!.event.symbol]).toEqual(["first", "second"]);
  const from = `${first!.position.epoch}:${first!.position.offset}`;
  expect((await run("subscribe", ["Ticks", key, "--from", from, "--count", "1"])).out).toContain('"symbol":"second"');
});

test("schemas as files are of the server's version: what is wrong with a request is told, and not another version", async () => {
  const { code, out, err } = await run("subscribe", ["Ticks", "{}"]);
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toContain("field board is empty. (address_invalid)");
});

test("who finds no server is told so by each transport, and what to do once", async () => {
  const { code, err } = await racewayCommand(["call", "localhost:1", "Add", "{}", "-s", schemas, "-I", schemas]);
  expect(code).toBe(3);
  expect(err).toMatch(
    /^unavailable: No transport reached http:\/\/localhost:1: websocket: .+; sse: .+; poll: .+\. Run the /,
  );
  expect(err.match(/Run the server/g)).toHaveLength(1);
});

test("what is wrong with schemas is JSON to whom wants JSON, a line each", async () => {
  const folder = mkdtempSync(join(tmpdir(), "raceway-remote-"));
  try {
    writeFileSync(join(folder, "a.proto"), 'syntax = "proto3"; message M { Nope n = 1; }');
    const { code, out, err } = await racewayCommand(["call", url, "Add", "{}", "--json", "--schema", folder]);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    const lines = err.trimEnd().split("\n");
    expect(lines.map((line) => JSON.parse(line) as object)).toMatchObject([
      { rule: "name_unknown" },
      { error: "usage", message: "The schemas have errors." },
    ]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a subscription goes on until Ctrl-C, which ends it with 0", async () => {
  const board = `live-${Date.now()}`;
  await topics.ticks.publish({ board }, { symbol: "kept" });
  const command = new RunningCommand([
    "subscribe",
    url,
    "Ticks",
    JSON.stringify({ board }),
    "--from",
    "start",
    "-s",
    schemas,
    "-I",
    schemas,
  ]);
  await command.said('"symbol":"kept"');
  await topics.ticks.publish({ board }, { symbol: "live" });
  await command.said('"symbol":"live"');
  command.child.kill("SIGINT");
  expect((await command.end()).code).toBe(0);
});

test("Ctrl-C ends what waits for messages, with what it did", async () => {
  const command = new RunningCommand(["publish", url, "Cursor", "-s", schemas, "-I", schemas]);
  const came = vi.waitFor(() => expect(calls).toContain("cursor eve 9"), { timeout: 60_000, interval: 20 });
  command.child.stdin.write('{"userId":"eve","x":9}\n');
  await came;
  command.child.kill("SIGINT");
  await command.said("1 message sent\n"); // standard input is still open
  expect((await command.end()).code).toBe(0);
});

test("Ctrl-C before there is a reply ends a call with 130", async () => {
  const command = new RunningCommand([
    "call",
    url,
    "Echo",
    '{"text":"slow","delayMs":3600000}',
    "-s",
    schemas,
    "-I",
    schemas,
  ]);
  await vi.waitFor(() => expect(calls).toContain("echo slow"), { timeout: 60_000, interval: 20 });
  command.child.kill("SIGINT");
  expect(await command.end()).toEqual({ code: 130, out: "", err: "" });
});

test("publishes to a signal and to an upload", async () => {
  const signal = await run("publish", ["Cursor"], '{"userId":"ann","x":1}\n{"userId":"bob","x":2}\n');
  expect(signal).toEqual({ code: 0, out: "", err: "2 messages sent\n" });
  expect(calls).toEqual(expect.arrayContaining(["cursor ann 1", "cursor bob 2"]));
  const upload = await run("publish", ["Sum", "--json", '{"value":7}']);
  expect(JSON.parse(upload.out)).toEqual({ messages: 1, reply: { sum: 7, count: 1 } });
  const keyed = await run("publish", ["Sum", "{}", "--key", "{}"]);
  expect(keyed).toMatchObject({ code: 2, err: expect.stringContaining("--key is for topics") as string });
  expect((await run("publish", ["Add", "{}"])).err).toContain("Use raceway call.");
});

describe("publishes to a topic", () => {
  const key = '{"board":"told"}';
  const publish = (at: string, args: readonly string[], input?: string): ReturnType<typeof racewayCommand> =>
    racewayCommand(["publish", at, "Ticks", ...args, "-s", schemas, "-I", schemas], input);

  test("by the server's admin service, one message after the other, for whom it lets", async () => {
    await using managed = raceway({ transports: [websocket(), poll()], use: [names, rbac({ default: "public" })] });
    managed.serve(labService, handlers([], systemClock()));
    serveAdmin(managed, { auth: { require: { roles: ["operator"] } } });
    const { url: at } = await managed.listen({ port: 0, host: "127.0.0.1" });
    const operator = ["--key", key, "--token", "ann #operator"];
    const first = await publish(at, operator, '{"symbol":"one"}\n\n{"symbol":"two","price":2.5}\n');
    expect(first).toMatchObject({ code: 0, out: "" });
    expect(first.err).toMatch(/^2 messages sent to boards\/told\/ticks, the last at \w+:2\n$/);
    const second = await publish(at, ['{"symbol":"three"}', ...operator, "--json", "-t", "poll"]);
    expect(JSON.parse(second.out)).toEqual({
      messages: 1,
      address: "boards/told/ticks",
      position: { epoch: expect.any(String) as string, offset: 3 },
    });
    const read = ["subscribe", at, "Ticks", key, "-s", schemas, "-I", schemas, "--from", "start", "--count", "3"];
    expect(
      (await racewayCommand(read)).out
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line) as unknown),
    ).toEqual([{ symbol: "one" }, { symbol: "two", price: 2.5 }, { symbol: "three" }]);
    // Whoever runs a server may have none of its schemas at hand.
    const count = ["call", at, "raceway.v1.Admin/ListTopics", "{}", "--token", "ann #operator", "--json"];
    const listed = await racewayCommand(count, "", { cwd: import.meta.dirname });
    expect(listed).toMatchObject({ code: 0, out: "{}\n" }); // nobody subscribes now
    const refused = await publish(at, ["--key", key, "--token", "bob", "{}"]);
    expect(refused).toMatchObject({
      code: 1,
      out: "",
      err: expect.stringContaining("it needs role operator") as string,
    });
    const wrong = await publish(at, operator, '{"symbol":"four"}\n{"symbl":"five"}\n');
    expect(wrong).toMatchObject({ code: 2, err: expect.stringContaining("Line 2 is no lab.v1.Tick") as string });
  });

  test("and where there is none, that is what it says", async () => {
    const none = await publish(url, ["--key", key, "{}"]);
    expect(none).toMatchObject({ code: 1, out: "" });
    expect(none.err).toContain(
      "unimplemented: Topics are published to by raceway.v1.Admin, which this server does not have.",
    );
    const asJson = await publish(url, ["--key", key, "{}", "--json"]);
    expect(JSON.parse(asJson.err)).toMatchObject({ error: "unimplemented", reason: "channel_unknown", exitCode: 1 });
    const nowhere = await publish(url, ["{}"]);
    expect(nowhere).toMatchObject({ code: 2, err: expect.stringContaining("--key names no topic") as string });
  });
});

test("credentials and headers are shown; a refusal is an error with exit code 1", async () => {
  const add = ["Add", '{"a":1,"b":1}'];
  expect((await run("call", [...add, "--token", "good", "--header", "x-tenant: tea"])).code).toBe(0);
  expect(seen.at(-1)).toEqual({ credential: "good", tenant: "tea" });
  const env = { RACEWAY_TOKEN: "from the environment" };
  const args = ["call", url, ...add, "-s", schemas, "-I", schemas];
  expect((await racewayCommand(args, "", { env })).code).toBe(0);
  expect(seen.at(-1)?.credential).toBe("from the environment");
  const refused = await run("call", [...add, "--token", "wrong"]);
  expect(refused).toEqual({
    code: 1,
    out: "",
    err: expect.stringContaining("unauthenticated: nobody knows you") as string,
  });
  const asJson = await run("call", [...add, "--token", "wrong", "--json"]);
  expect(JSON.parse(asJson.err)).toMatchObject({ error: "unauthenticated", exitCode: 1 });
});

test("what cannot be is told before or after, with its own exit code", async () => {
  const said: Record<string, string> = {};
  for (const [args, code] of [
    [["call", url, "Nope"], 2],
    [["call", url, "Add", "{"], 2],
    [["call", url, "Add", '{"c":1}'], 2],
    [["call", url, "Add", "{}", "--header", "nothing"], 2],
    [["call", "ftp://x", "Add", "{}"], 2],
    [["call", "http://ann:secret@localhost:1", "Add", "{}"], 2],
    [["call", "http://localhost:1/?x=1#y", "Add", "{}"], 2],
    [["subscribe", url, "Count"], 2],
    [["subscribe", url, "Ticks", "--from", "yesterday"], 2],
    [["call", "http://127.0.0.1:1", "Add", "{}"], 3],
  ] as const) {
    const ended = await racewayCommand([...args, "--schema", schemas, "-I", schemas]);
    expect({ code: ended.code, out: ended.out }, args.join(" ")).toEqual({ code, out: "" });
    said[args.slice(args[1] === url ? 2 : 1).join(" ")] = ended.err;
  }
  expect(said["Nope"]).toContain("There is no channel Nope. There are:\n");
  expect(said["Nope"]).toContain("  lab.v1.LabService/Add\n");
  expect(said["Add {"]).toMatch(/^raceway: The request is no JSON: /);
  expect(said['Add {"c":1}']).toContain("Its fields are: a, b.");
  expect(said["Add {} --header nothing"]).toContain('--header "nothing" is no header, as "name: value".');
  expect(said["Count"]).toContain("lab.v1.LabService/Count is a feed, no topic. Use raceway call.");
  expect(said["Ticks --from yesterday"]).toContain("--from is yesterday; it has to be now, start or a position");
  expect(said["http://ann:secret@localhost:1 Add {}"]).toMatch(
    /^raceway: The address has a credential in it\. Show it with --token/,
  );
  expect(said["http://localhost:1/?x=1#y Add {}"]).toContain("has ?x=1#y behind the address.");
  // Without schemas, the server is asked for its own.
  const without = await racewayCommand(["call", url, "Add", "{}"], "", { cwd: import.meta.dirname });
  expect(without).toMatchObject({
    code: 2,
    err: expect.stringContaining(
      "it has no reflection. Mount serveReflection of @raceway/server/reflection, or name them with --schema.",
    ) as string,
  });
});
