// Servers that are killed with calls in flight, as real processes on a real file: each call ends, no handler runs twice for one key.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Code, ConnectError } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { reasonOf } from "@raceway/core";
import { faultProxy } from "@raceway/testkit/node";
import { websocket } from "@raceway/transport-websocket/client";
import { afterAll, expect, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import type { Told } from "./once-server.ts";

/** Calls that were begun when a server is killed end when its lease of 5 s does; a busy machine may take a while for the rest. */
const TEST_MS = 60_000;
const folder = mkdtempSync(join(tmpdir(), "raceway-kill-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

/** A file for a store, with the ledger of all processes that used it. */
class Site {
  readonly #file = join(folder, `${++files}.sqlite`);
  readonly #ledger = join(folder, `${files}.ledger`);

  async start(port = 0): Promise<Server> {
    const server = new Server(this.#file, this.#ledger, port);
    await server.started;
    return server;
  }
  /** For each request that a handler ran for: the processes that did, in order. */
  runs(): Map<number, string[]> {
    const runs = new Map<number, string[]>();
    if (!existsSync(this.#ledger)) return runs;
    for (const line of readFileSync(this.#ledger, "utf8").split("\n").slice(0, -1)) {
      const [, a, pid] = /^run (\d+) by (\d+)$/.exec(line)!;
      runs.set(Number(a), [...(runs.get(Number(a)) ?? []), pid!]);
    }
    return runs;
  }
}

class Server implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly started: Promise<void>;
  port = 0;
  #kept = 0;
  #wanted: { readonly count: number; readonly done: () => void } | undefined;

  constructor(file: string, ledger: string, port: number) {
    this.#process = fork(fileURLToPath(new URL("once-server.ts", import.meta.url)), [file, ledger, String(port)], {
      execArgv: ["-C", "@raceway/source"],
    });
    this.started = new Promise((resolve, reject) => {
      this.#process.on("message", (told: Told) => {
        if (told.kind === "listening") {
          this.port = told.port;
          resolve();
        } else if (++this.#kept === this.#wanted?.count) this.#wanted.done();
      });
      this.#process.on("exit", (code, signal) => reject(new Error(`the server ended: ${code ?? signal}`)));
    });
  }
  get pid(): string {
    return String(this.#process.pid);
  }
  /** Resolves when so many replies are in the store. */
  kept(count: number): Promise<void> {
    return new Promise((done) => {
      this.#wanted = { count, done };
      if (this.#kept >= count) done();
    });
  }
  /** Without a chance to say goodbye. */
  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    this.#process.kill("SIGKILL");
    await gone;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

interface End {
  readonly a: number;
  /** The sum, or the reason of the error. */
  readonly end: number | string;
  /** The process whose handler made the reply. */
  readonly process: string | undefined;
}
async function add(client: LabClient, a: number, b = 1, key?: string): Promise<End> {
  let process: string | undefined;
  try {
    const { sum } = await client.add(
      { a, b },
      {
        onHeader: (headers) => (process = headers.get("x-process") ?? undefined),
        ...(key !== undefined && { headers: { "idempotency-key": key } }),
      },
    );
    return { a, end: sum, process };
  } catch (error) {
    return { a, end: reasonOf(error) ?? Code[ConnectError.from(error).code], process };
  }
}
const backoff = { firstMs: 20, capMs: 100 };
const range = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

it(
  "replies that were written but not yet received when the server was killed come from the next one, and nothing runs again",
  { timeout: TEST_MS },
  async () => {
    const site = new Site();
    const first = await site.start();
    await using proxy = await faultProxy(first.port);
    await using connection = connect(`http://127.0.0.1:${proxy.address}`, { transports: [websocket()], backoff });
    const client = labClient(connection);
    expect((await add(client, 1_000)).end).toBe(1_001);
    proxy.stall("down");
    const calls = range(50).map((a) => add(client, a));
    await first.kept(51);
    await first.kill();
    await using second = await site.start(first.port);
    proxy.cut();
    proxy.restore();
    const ends = await Promise.all(calls);
    expect(ends).toEqual(range(50).map((a) => ({ a, end: a + 1, process: first.pid })));
    expect(second.pid).not.toBe(first.pid);
    expect([...site.runs().values()].filter((by) => by.length !== 1)).toEqual([]);
    expect(site.runs().size).toBe(51);
  },
);

it(
  "under load, killed again and again: each call ends, those that succeed ran once, none ran twice",
  { timeout: TEST_MS },
  async () => {
    const site = new Site();
    let server = await site.start();
    await using connection = connect(`http://127.0.0.1:${server.port}`, { transports: [websocket()], backoff });
    const client = labClient(connection);
    const total = 1_200;
    const kills = new Set([300, 600, 900]);
    const ends: End[] = [];
    let next = 0;
    let inFlight = 0;
    const inFlightAtKill: number[] = [];
    let restarting: Promise<void> = Promise.resolve();
    const restart = async (): Promise<void> => {
      await server.kill();
      server = await site.start(server.port);
    };
    const worker = async (): Promise<void> => {
      while (next < total) {
        const a = next++;
        inFlight++;
        ends.push(await add(client, a));
        inFlight--;
        if (kills.has(ends.length)) {
          inFlightAtKill.push(inFlight);
          restarting = restart();
        }
      }
    };
    await Promise.all(range(40).map(worker));
    await restarting;
    await server.kill();

    const runs = site.runs();
    expect(inFlightAtKill).toEqual([39, 39, 39]);
    expect(ends.map(({ a }) => a).toSorted((a, b) => a - b)).toEqual(range(total));
    const wrong = ends.filter(({ a, end }) => end !== a + 1 && end !== "outcome_unknown");
    expect(wrong).toEqual([]);
    const succeeded = ends.filter(({ a, end }) => end === a + 1);
    expect(succeeded.filter(({ a, process }) => runs.get(a)?.length !== 1 || runs.get(a)![0] !== process)).toEqual([]);
    expect([...runs].filter(([, by]) => by.length > 1)).toEqual([]);
    // What is unknown was in flight at a kill.
    expect(total - succeeded.length).toBeLessThanOrEqual(3 * 40);
  },
);

it(
  "a call that was running when the server was killed ends with outcome_unknown, and is not run again",
  { timeout: TEST_MS },
  async () => {
    const site = new Site();
    const first = await site.start();
    await using connection = connect(`http://127.0.0.1:${first.port}`, { transports: [websocket()], backoff });
    const client = labClient(connection);
    const calls = range(10).map((a) => add(client, a, -1)); // these do not end
    await add(client, 1_000);
    expect(site.runs().size).toBe(11);
    await first.kill();
    await using second = await site.start(first.port);
    expect((await Promise.all(calls)).map(({ end }) => end)).toEqual(range(10).map(() => "outcome_unknown"));
    expect((await add(client, 2_000)).process).toBe(second.pid);
    expect([...site.runs().values()].every((by) => by.length === 1)).toBe(true);
  },
);

it(
  "two processes on one file: the same keys at once run once, and both give the same reply; one is killed, the other goes on",
  { timeout: TEST_MS },
  async () => {
    const site = new Site();
    await using one = await site.start();
    await using two = await site.start();
    await using toOne = connect(`http://127.0.0.1:${one.port}`, { transports: [websocket()], backoff });
    await using toTwo = connect(`http://127.0.0.1:${two.port}`, { transports: [websocket()], backoff });
    const clients = [labClient(toOne), labClient(toTwo)] as const;
    const both = await Promise.all(
      range(100).map((a) => Promise.all(clients.map((client) => add(client, a, 1, `key ${a}`)))),
    );
    const runs = site.runs();
    for (const [a, [first, second]] of both.entries()) {
      expect(first).toEqual({ a, end: a + 1, process: runs.get(a)![0] });
      expect(second).toEqual(first);
    }
    expect([...runs.values()].every((by) => by.length === 1)).toBe(true);
    // Those that ran are killed: the other process never saw one of these requests through, and has the replies.
    const winner = runs.get(0)![0] === one.pid ? one : two;
    await winner.kill();
    const left = clients[winner === one ? 1 : 0];
    const again = await Promise.all(range(100).map((a) => add(left, a, 1, `key ${a}`)));
    expect(again).toEqual(both.map(([first]) => first));
    expect(site.runs()).toEqual(runs);
  },
);
