// An outbox in a file, against a real server, with real processes that are killed: each call runs once.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Connection, type RestoredCall, connect } from "@raceway/client";
import { fileOutbox } from "@raceway/client/node";
import { silentLogger } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { websocket as websocketClient } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { afterEach, beforeEach, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { AddRequestSchema } from "../gen/lab/v1/lab_pb.ts";

const PATIENCE = { timeout: 20_000, interval: 20 };

let folder: string;
let file: string;
let port: number;
const children: ChildProcess[] = [];
const closing: AsyncDisposable[] = [];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "raceway-outbox-"));
  file = join(folder, "outbox");
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  port = (probe.address() as { port: number }).port;
  probe.close();
});
afterEach(async () => {
  for (const child of children.splice(0)) {
    if (child.exitCode === null && child.signalCode === null) await kill(child);
  }
  for (const each of closing.splice(0).toReversed()) await each[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function kill(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

interface Child {
  readonly process: ChildProcess;
  readonly lines: string[];
}
function start(run: number, pauseMs: number): Child {
  const script = fileURLToPath(new URL("child.ts", import.meta.url));
  const args = ["-C", "@raceway/source", script, `http://127.0.0.1:${port}`, file, String(run), String(pauseMs)];
  const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const lines: string[] = [];
  child.stdout.setEncoding("utf8").on("data", (text: string) => lines.push(...text.split("\n").filter(Boolean)));
  return { process: child, lines };
}

/** Answers `add`, and notes what was asked. */
async function serve(asked: string[]): Promise<Raceway> {
  const app = raceway({ transports: [websocket()] });
  app.serve(labService, {
    ...handlers([], virtualClock()),
    async add({ a, b }) {
      asked.push(`${a} ${b}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return { sum: a * 1_000_000 + b };
    },
  });
  await app.listen({ port, host: "127.0.0.1" });
  closing.push({ [Symbol.asyncDispose]: () => app.close(0) });
  return app;
}

function next(): { readonly connection: Connection; readonly restored: RestoredCall[]; readonly warnings: string[] } {
  const restored: RestoredCall[] = [];
  const warnings: string[] = [];
  const connection = connect(`http://127.0.0.1:${port}`, {
    transports: [websocketClient()],
    backoff: { capMs: 200 },
    outbox: { store: fileOutbox({ file }), onRestored: (call) => void restored.push(call) },
    log: { ...silentLogger, warn: (_, values) => void warnings.push(String(values?.["why"])) },
  });
  closing.push(connection);
  return { connection, restored, warnings };
}

/** Ids of the calls that the journal holds now. */
async function kept(): Promise<Set<string>> {
  const ids = new Set<string>();
  for (const each of (await readFile(file, "utf8").catch(() => "")).split("\n").slice(0, -1)) {
    const line = JSON.parse(each) as { put: { id: string } } | { gone: string };
    if ("gone" in line) ids.delete(line.gone);
    else ids.add(line.put.id);
  }
  return ids;
}
const countKept = async (): Promise<number> => (await kept()).size;

it("what a process had not sent when it was killed is sent by the next one, each once, in order", async () => {
  const child = start(1, 1);
  await expect.poll(countKept, PATIENCE).toBeGreaterThanOrEqual(50);
  await kill(child.process);
  const unsent = await kept();
  const asked: string[] = [];
  await serve(asked);
  const { restored, warnings } = next();
  await expect.poll(() => restored.length, PATIENCE).toBe(unsent.size);
  expect(restored.map(({ key }) => key)).toEqual([...unsent]);
  expect(restored.map(({ error }) => error)).toEqual(restored.map(() => undefined));
  expect(asked).toEqual(restored.map((_, at) => `1 ${at + 1}`));
  expect(restored.map((call) => call.request(AddRequestSchema).b)).toEqual(restored.map((_, at) => at + 1));
  expect(warnings).toEqual([]);
  await closing.pop()![Symbol.asyncDispose]();
  const again = next();
  expect((await labClient(again.connection).add({ a: 2, b: 1 })).sum).toBe(2_000_001);
  expect(again.restored).toEqual([]);
}, 60_000);

it("killed in mid-flight, again and again, no call runs twice, and none that was kept is lost", async () => {
  const asked: string[] = [];
  await serve(asked);
  const seen = new Set<string>();
  for (let run = 1; run <= 5; run++) {
    const child = start(run, 2);
    await expect
      .poll(() => child.lines.filter((line) => line.startsWith("answered")).length, PATIENCE)
      .toBeGreaterThan(20);
    await kill(child.process);
    for (const line of child.lines) seen.add(line.split(" ")[0]!);
  }
  const { restored } = next();
  await expect.poll(countKept, PATIENCE).toBe(0);
  expect(restored.filter(({ error }) => error !== undefined)).toEqual([]);
  expect(new Set(asked).size).toBe(asked.length);
  for (let run = 1; run <= 5; run++) {
    const numbers = asked.filter((each) => each.startsWith(`${run} `)).map((each) => Number(each.split(" ")[1]));
    expect(numbers.toSorted((a, b) => a - b)).toEqual(numbers.map((_, at) => at + 1)); // no gap
  }
  expect([...seen].filter((word) => word !== "answered" && word !== "restored")).toEqual([]);
}, 120_000);

it("a second process works without it, says so, and takes it over when the first is killed", async () => {
  const child = start(1, 20);
  await expect.poll(countKept, PATIENCE).toBeGreaterThanOrEqual(3);
  const second = next();
  await expect.poll(() => second.warnings, PATIENCE).toEqual(["another tab or process has it"]);
  const own = labClient(second.connection).add({ a: 9, b: 9 });
  await kill(child.process);
  const asked: string[] = [];
  await serve(asked);
  expect((await own).sum).toBe(9_000_009);
  await expect.poll(() => second.restored.length, PATIENCE).toBeGreaterThanOrEqual(3);
  expect(new Set(asked).size).toBe(asked.length);
}, 60_000);
