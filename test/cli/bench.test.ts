// `raceway bench` against a real server: calls, calls that are due, subscriptions, and failures that are counted.
import { join } from "node:path";
import { Code, ConnectError } from "@connectrpc/connect";
import { systemClock } from "@raceway/core";
import { raceway, type Raceway } from "@raceway/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { racewayCommand, RunningCommand } from "./raceway.ts";

// Each starts processes and a compiler, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 60_000 });

const schemas = join(import.meta.dirname, "../schemas");
let app: Raceway;
let topics: LabPublishers;
let url: string;
let added = 0;

beforeAll(async () => {
  app = raceway({ transports: [websocket(), sse()] });
  topics = app.serve(labService, {
    ...handlers([], systemClock()),
    add({ a, b }) {
      added++;
      return { sum: a + b };
    },
    async *chat(requests) {
      for await (const { text } of requests) {
        if (text === "trouble") throw new ConnectError("no", Code.Aborted);
        if (text !== "silence") yield { text };
      }
    },
    peek() {
      throw new ConnectError("no", Code.PermissionDenied);
    },
  });
  ({ url } = await app.listen({ port: 0, host: "127.0.0.1" }));
});
afterAll(() => app.close(0));

const args = (...more: readonly string[]): readonly string[] => argsFor("0.5", ...more);
const argsFor = (seconds: string, ...more: readonly string[]): readonly string[] => [
  ...["bench", url, ...more],
  ...[
    "-s",
    schemas,
    "-I",
    schemas,
    "--duration",
    seconds,
    "--warmup",
    "0.2",
    "--connections",
    "2",
    "--concurrency",
    "4",
  ],
];

test("calls by each transport, a row each, and all of them were made", async () => {
  const before = added;
  const { code, out } = await racewayCommand(args("Add", '{"a":1,"b":2}', "-t", "websocket", "-t", "sse"));
  expect(code).toBe(0);
  const [head, ...rows] = out.trimEnd().split("\n");
  expect(head).toMatch(/^transport +calls +calls\/s +p50 ms +p90 +p99 +p99\.9 +max +errors +load CPU$/);
  expect(rows.map((row) => row.split(/ +/)[0])).toEqual(["websocket", "sse"]);
  const counted = rows.reduce((sum, row) => sum + Number(row.split(/ +/)[1]), 0);
  expect(counted).toBeGreaterThan(0);
  expect(added - before).toBeGreaterThanOrEqual(counted);
});

test("calls that begin when they are due", async () => {
  const before = added;
  const { code, out } = await racewayCommand(args("Add", '{"a":1,"b":2}', "--rate", "100", "--json"));
  expect(code).toBe(0);
  const report = JSON.parse(out) as Record<string, number>;
  expect(report).toMatchObject({ transport: "websocket", connections: 2, errors: {} });
  // 0.7 s of 100 a second, whatever the machine is at: those that are late are made all the same.
  expect(added - before).toBeGreaterThanOrEqual(60);
  expect(added - before).toBeLessThanOrEqual(72);
  expect(report["p50"]!).toBeLessThanOrEqual(report["p99"]!);
});

test("calls that are never answered do not hold it, and are counted", async () => {
  for (const more of [[], ["--rate", "10"]]) {
    const { code, out } = await racewayCommand(args("Echo", '{"delayMs":60000}', "--json", ...more));
    expect(code).toBe(1);
    const { calls, errors } = JSON.parse(out) as { calls: number; errors: Record<string, number> };
    expect([calls, Object.keys(errors)]).toEqual([0, ["unanswered"]]);
    expect(errors["unanswered"]).toBeGreaterThanOrEqual(4);
  }
});

test("Ctrl-C ends it with what was measured until then", async () => {
  const before = added;
  const command = new RunningCommand(argsFor("3600", "Add", '{"a":1,"b":2}', "--json"));
  await vi.waitFor(() => expect(added - before).toBeGreaterThan(20), { timeout: 60_000, interval: 20 });
  command.child.kill("SIGINT");
  const { code, out } = await command.end();
  expect(code).toBe(0);
  const { calls, perSecond, errors } = JSON.parse(out) as { calls: number; perSecond: number; errors: object };
  expect(errors).toEqual({});
  expect(calls === 0 || perSecond > calls / 60).toBe(true); // by the seconds that passed, not by the hour that was wanted
});

test("subscriptions are opened, and what they are sent is counted", async () => {
  const command = new RunningCommand(argsFor("3", "Ticks", '{"board":"loaded"}', "--json"));
  const publishing = setInterval(() => void topics.ticks.publish({ board: "loaded" }, { symbol: "x" }), 20);
  const { code, out } = await command.end();
  clearInterval(publishing);
  expect(code).toBe(0);
  const report = JSON.parse(out) as Record<string, number>;
  expect(report["calls"]).toBe(4);
  expect(report["events"]! % 1).toBe(0);
  expect(report["events"]).toBeGreaterThan(4);
});

test("feeds are read, and opened again when they end; what they bring is counted", async () => {
  const { code, out } = await racewayCommand(
    argsFor("1.5", "Count", '{"from":1,"to":5}', "--json", "-t", "websocket", "-t", "sse"),
  );
  expect(code).toBe(0);
  const reports = out
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, number>);
  expect(reports.map(({ kind, transport }) => [kind, transport])).toEqual([
    ["feed", "websocket"],
    ["feed", "sse"],
  ]);
  for (const { calls, events, eventsPerSecond, p50, errors } of reports) {
    expect(errors).toEqual({});
    expect(calls).toBeGreaterThan(4); // more than were open at first
    expect(events).toBeGreaterThan(0);
    expect(events).toBeLessThanOrEqual(calls! * 5);
    expect(eventsPerSecond).toBeCloseTo(events! / 1.5);
    expect(p50).toBeGreaterThan(0);
  }
});

test("a feed without an end is read until the time is over", async () => {
  const { code, out } = await racewayCommand(args("Count", '{"from":1,"to":4000000000}'));
  expect(code).toBe(0);
  const [head, row] = out.trimEnd().split("\n");
  expect(head).toMatch(/^transport +opened +events\/s +p50 ms/);
  const [, opened, perSecond] = row!.split(/ +/);
  expect(opened).toBe("4");
  expect(Number(perSecond)).toBeGreaterThan(0);
});

test("conversations go back and forth, and exchanges are counted; one without an answer is told", async () => {
  const { code, out } = await racewayCommand(args("Chat", '{"text":"hi"}', "--json"));
  expect(code).toBe(0);
  const report = JSON.parse(out) as Record<string, number>;
  expect(report).toMatchObject({ kind: "duplex", errors: {} });
  expect(report["calls"]).toBeGreaterThan(0);
  expect(report["events"]).toBe(report["calls"]); // one answer each
  expect(report["perSecond"]).toBeCloseTo(report["calls"]! / 0.5);
  const silent = await racewayCommand(args("Chat", '{"text":"silence"}', "--json"));
  expect(silent.code).toBe(1);
  expect(JSON.parse(silent.out)).toMatchObject({ calls: 0, events: 0, errors: { unanswered: 4 } });
});

test("failures of streams are counted by their code", async () => {
  const { code, out } = await racewayCommand(args("Chat", '{"text":"trouble"}', "--json"));
  expect(code).toBe(1);
  const { errors } = JSON.parse(out) as { readonly errors: Record<string, number> };
  expect(errors["aborted"]).toBeGreaterThan(0);
});

test("failures are counted by their code, and end with 1", async () => {
  const { code, out } = await racewayCommand(args("Peek", '{"text":"x"}', "--json"));
  expect(code).toBe(1);
  const { calls, errors } = JSON.parse(out) as { readonly calls: number; readonly errors: Record<string, number> };
  expect(calls).toBe(0);
  expect(errors["permission_denied"]).toBeGreaterThan(0);
});

test("what cannot be measured is told", async () => {
  expect((await racewayCommand(args("Sum"))).err).toContain("lab.v1.LabService/Sum is an upload; bench loads calls");
  expect((await racewayCommand(args("Cursor"))).err).toContain("lab.v1.LabService/Cursor is a signal;");
  expect((await racewayCommand(args("Ticks", "--rate", "5"))).err).toContain("--rate is for calls");
  expect((await racewayCommand(args("Add", "--rate", "0"))).err).toContain("--rate has to be at least 0.1.");
});
