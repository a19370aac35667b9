// Lines about calls, subscriptions and sessions: what stands in them, what must not, and how many there are.
import { Writable } from "node:stream";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Logger, type Plugin, definePlugin, fail } from "@raceway/core";
import { type LoggingOptions, type PinoLike, logging, pinoLogger } from "@raceway/middleware/logging";
import { pino } from "pino";
import { describe, expect, it } from "vitest";
import { from, lab, take } from "../app/lab.ts";
import { first, names, outcome, stage, wayNames } from "./stage.ts";

interface Line {
  readonly level: string;
  readonly message: string;
  readonly [field: string]: unknown;
}
function journal(): { readonly lines: Line[]; readonly log: PinoLike; about(message: string): Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (fields: object, message: string): void =>
      void lines.push({ level, message, ...fields });
  return {
    lines,
    log: { debug: at("debug"), info: at("info"), warn: at("warn"), error: at("error") },
    about: (message) => lines.filter((line) => line.message === message),
  };
}

describe.each(wayNames)("by %s", (way) => {
  it("a call has a line, with who called by what, and nothing secret", async () => {
    const { log, about } = journal();
    await using it = await stage({
      use: [logging({ log, messages: true, headers: ["x-request-id", "Authorization", "Cookie"] }), names],
    });
    const client = it.client(way, "ann");
    const headers = { "x-request-id": "r1", cookie: "sid=hunter1" };
    await client.echo({ text: "tea", secret: "hunter2", data: new Uint8Array(3) }, { headers });
    await expect.poll(() => about("call")).toHaveLength(1);
    const [line] = about("call");
    const isDoor = way.endsWith("door");
    expect(line).toMatchObject({
      level: "info",
      channel: "/lab.v1.LabService/Echo",
      code: "ok",
      ms: expect.any(Number),
      transport: isDoor ? "native" : way,
      principal: "ann",
      request: { text: "tea", secret: "[redacted]", data: "3 bytes" },
      response: { text: "tea", data: "3 bytes" },
    });
    expect(line!["headers"]).toEqual({
      "x-request-id": "r1",
      cookie: "[redacted]",
      ...(isDoor && { authorization: "[redacted]" }),
    });
    expect("session" in line!).toBe(!isDoor);
    if (way !== "memory") expect(line!["address"]).toMatch(/127\.0\.0\.1/);
    expect(JSON.stringify(line)).not.toMatch(/hunter|Bearer/);
  });

  it("streams have theirs when they are over, with how much went by", async () => {
    const { log, about } = journal();
    await using it = await stage({ use: [logging({ log })] });
    const client = it.client(way);
    await take(client.count({ from: 1, to: 5 }), 5);
    await client.sum(from([{ value: 1 }, { value: 2 }]));
    await expect.poll(() => about("call")).toHaveLength(2);
    expect(about("call").find(({ channel }) => channel === "/lab.v1.LabService/Count")).toMatchObject({ responses: 5 });
    expect(about("call").find(({ channel }) => channel === "/lab.v1.LabService/Sum")).toMatchObject({ requests: 2 });
  });

  it("what strangers write forges no line", async () => {
    const { log, lines, about } = journal();
    const forged = 'x\r\n{"level":"error"}\u001b[2J';
    await using it = await stage({
      use: [
        logging({ log, messages: true, errorTexts: true, headers: ["x-id"] }),
        definePlugin({
          name: "believer",
          start: () => ({
            call: () => () => async (request) => {
              const { text } = request.message as unknown as { text: string };
              throw new ConnectError(`no ${text}`, Code.NotFound);
            },
          }),
        }),
      ],
    });
    await outcome(it.client(way).echo({ text: forged }, { headers: { "x-id": "\u0085a\tb" } }));
    await expect.poll(() => about("call")).toHaveLength(1);
    expect(about("call")[0]).toMatchObject({ error: String.raw`no x\u000d\u000a{"level":"error"}\u001b[2J` });
    const texts = JSON.stringify(lines).replaceAll(/\\\\u[0-9a-f]{4}/g, "");
    expect(texts).not.toMatch(/\\[urnt]/);
  });

  it("a subscription has a line when it is over", async () => {
    const { log, about } = journal();
    await using it = await stage({ use: [logging({ log, publications: true }), names] });
    const abort = new AbortController();
    const reading = first(it.client(way, "ann").ticks({ board: "tea" }, { signal: abort.signal }));
    let over = false;
    void reading.then(() => (over = true));
    const published = async (): Promise<boolean> => {
      await it.topics.ticks.publish({ board: "tea" }, { sequence: 1 });
      return over;
    };
    await expect.poll(published).toBe(true);
    abort.abort();
    await expect.poll(() => about("subscription")).toHaveLength(1);
    expect(about("subscription")[0]).toMatchObject({
      channel: "/lab.v1.LabService/Ticks",
      topic: "boards/tea/ticks",
      principal: "ann",
    });
    expect(about("publication")[0]).toMatchObject({ topic: "boards/tea/ticks", code: "ok", offset: 1 });
  });
});

/** A server that fails in the way that the text of the request says, and its journal. */
async function failing(options: LoggingOptions = {}) {
  const { log, lines, about } = journal();
  const fails: Plugin = definePlugin({
    name: "fails",
    start: () => ({
      call: () => (next) => async (request) => {
        const { text } = request.message as unknown as { text?: string };
        if (text === "oops") throw new TypeError("oops at hunter2");
        if (text === "busy") throw fail("too_many_calls", { count: 1, limit: 1, retryAfterMs: 1 });
        if (text === "wrong") throw new ConnectError("hunter2 is too short", Code.InvalidArgument);
        return next(request);
      },
    }),
  });
  const world = await lab({ server: { use: [logging({ log, ...options }), fails] } });
  return { ...world, lines, about, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

describe("levels and texts", () => {
  it("say whose fault it was; texts of errors are left out unless wanted", async () => {
    await using it = await failing();
    for (const text of ["fine", "oops", "busy", "wrong"]) await outcome(it.client.echo({ text }));
    expect(it.about("call").map(({ level, code, reason }) => [level, code, reason])).toEqual([
      ["info", "ok", undefined],
      ["error", "unknown", undefined],
      ["warn", "resource_exhausted", "too_many_calls"],
      ["info", "invalid_argument", undefined],
    ]);
    expect(JSON.stringify(it.lines)).not.toContain("hunter2");
  });

  it("are there when they are wanted", async () => {
    await using it = await failing({ errorTexts: true });
    await outcome(it.client.echo({ text: "wrong" }));
    expect(it.about("call")[0]).toMatchObject({ error: "hunter2 is too short" });
  });

  it("callers are left out if wanted", async () => {
    await using it = await failing({ callers: false });
    await it.client.echo({});
    expect(Object.keys(it.about("call")[0]!)).toEqual([
      "level",
      "message",
      "channel",
      "code",
      "ms",
      "transport",
      "session",
    ]);
  });
});

describe("how many", () => {
  it("a sample of what goes well, and all that fails or is slow", async () => {
    await using it = await failing({ sample: 0, slowMs: 500 });
    for (const text of ["fine", "busy", "fine"]) await outcome(it.client.echo({ text }));
    const slow = it.client.echo({ text: "slow", delayMs: 500 });
    await it.clock.advance(500);
    await slow;
    expect(it.about("call").map(({ code, ms }) => [code, ms])).toEqual([
      ["resource_exhausted", 0],
      ["ok", 500],
    ]);
  });

  it("no more than so many a second; how many were left out is a line", async () => {
    await using it = await failing({ linesPerSecond: 5, sessions: false });
    for (let count = 0; count < 12; count++) await it.client.echo({});
    expect(it.lines).toHaveLength(5);
    await it.clock.advance(1_000);
    expect(it.lines.at(-1)).toMatchObject({ level: "warn", message: "lines were left out", lines: 7 });
    await it.client.echo({});
    expect(it.about("call")).toHaveLength(6);
  });

  it("none for quiet channels: the plugin is not even asked about their calls", async () => {
    await using it = await failing({ quiet: ["lab.v1.LabService/Echo"] });
    await it.client.echo({});
    await it.client.peek({});
    expect(it.about("call").map(({ channel }) => channel)).toEqual(["/lab.v1.LabService/Peek"]);
  });

  it("sessions and refusals, unless told", async () => {
    await using it = await failing();
    await it.client.echo({});
    it.memory.cut();
    await it.clock.advance(1_000);
    await it.client.echo({});
    await it.connection.close();
    await it.clock.settle();
    expect(it.lines.filter(({ message }) => message.startsWith("session")).map(({ message }) => message)).toEqual([
      "session opened",
      "session resumed",
      "session ended",
    ]);
    expect(it.about("session ended")[0]).toMatchObject({ transport: "memory", reason: "connection_closed" });
    await using quiet = await failing({ sessions: false });
    await quiet.client.echo({});
    expect(quiet.about("session opened")).toEqual([]);
  });

  it("publications that fail, though those that go well are not wanted", async () => {
    const { log, about } = journal();
    await using it = await lab({ server: { use: [logging({ log })], limits: { messageBytesOut: 100 } } });
    await it.topics.ticks.publish({ board: "x" }, {});
    await outcome(it.topics.ticks.publish({ board: "x" }, { symbol: "x".repeat(200) }));
    expect(about("publication")).toMatchObject([{ level: "warn", reason: "message_too_large" }]);
  });
});

it("on a client, lines tell what calls came to, retries and all", async () => {
  const { log, about } = journal();
  await using it = await lab({ client: { use: [logging({ log })] } });
  await it.client.echo({ text: "tea" });
  await take(it.client.count({ from: 1, to: 3 }), 4);
  expect(about("call")).toMatchObject([
    { channel: "/lab.v1.LabService/Echo", code: "ok" },
    { channel: "/lab.v1.LabService/Count", code: "ok", responses: 3 },
  ]);
});

it("goes to the log of the server if no other is given", async () => {
  const texts: string[] = [];
  const log: Logger = {
    debug() {},
    warn() {},
    error() {},
    info: (text, fields) => void texts.push(`${text} ${String(fields?.["code"])}`),
  };
  await using it = await lab({ server: { use: [logging({ sessions: false })], log } });
  await it.client.echo({});
  expect(texts).toEqual(["call ok"]);
});

it("takes a pino logger, for itself and as the log of the server", async () => {
  const written: string[] = [];
  const sink = new Writable({
    write(chunk: Buffer, _, done) {
      written.push(chunk.toString());
      done();
    },
  });
  const log = pino({ level: "debug" }, sink);
  await using it = await lab({ server: { use: [logging({ log })], log: pinoLogger(log) } });
  await it.client.echo({});
  pinoLogger(log).warn("without fields");
  const lines = written.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(lines.find(({ msg }) => msg === "call")).toMatchObject({ level: 30, code: "ok" });
  expect(lines.at(-1)).toMatchObject({ level: 40, msg: "without fields" });
});

it("options out of range are refused where they are written", () => {
  expect(() => logging({ sample: 2 })).toThrow("sample");
  expect(() => logging({ quiet: ["Echo"] })).toThrow("quiet");
  expect(() => logging({ headers: ["a b"] })).toThrow("headers");
  expect(() => logging({ level: "info" } as never)).toThrow("level");
});
