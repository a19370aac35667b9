// A client that does not ask again what it knows: for how long, for whom, and what it asks all the same.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Plugin, definePlugin } from "@raceway/core";
import { type ClientCacheOptions, cache, clientCache } from "@raceway/middleware/cache";
import { retry } from "@raceway/middleware/retry";
import { describe, expect, it } from "vitest";
import { lab } from "../app/lab.ts";
import { nodes } from "../app/nodes.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import type { LabHandlers } from "../gen/lab/v1/lab.server.ts";
import { PEEK, type Peek, text } from "./cache-world.ts";
import { names, outcome } from "./stage.ts";

const ECHO = "lab.v1.LabService/Echo";

async function world(options: ClientCacheOptions = {}, peek?: Peek, use: readonly Plugin[] = []) {
  const plugin = clientCache(options);
  const asked: string[] = [];
  const counting: LabHandlers["peek"] = (request, context) => {
    asked.push(request.text);
    return peek === undefined ? { text: `${request.text} ${asked.length}` } : peek(request, context);
  };
  const made = await lab({ client: { use: [...use, plugin] }, handlers: { peek: counting } });
  return { ...made, cache: plugin, asked, [Symbol.asyncDispose]: () => made[Symbol.asyncDispose]() };
}

describe("what was asked before", () => {
  it("is not asked again as long as the schema says, and nothing is sent", async () => {
    await using it = await world();
    expect(await text(it.client.peek({ text: "tea", marks: { a: 1, b: 2 } }))).toBe("tea 1");
    await it.clock.advance(59_999);
    expect(await text(it.client.peek({ marks: { b: 2, a: 1 }, text: "tea" }))).toBe("tea 1");
    expect(await text(it.client.peek({ text: "milk" }))).toBe("milk 2");
    await it.clock.advance(1);
    expect(await text(it.client.peek({ text: "tea", marks: { a: 1, b: 2 } }))).toBe("tea 3");
    expect(it.cache.stats).toMatchObject({ hits: 1, misses: 3 });
  });

  it("is known from the first call on, which waited for the connection, and without it afterwards", async () => {
    await using it = await world();
    expect(await Promise.all([text(it.client.peek({})), text(it.client.peek({}))])).toEqual([" 1", " 1"]);
    it.memory.cut();
    expect(await text(it.client.peek({}))).toBe(" 1");
    expect(it.cache.stats).toMatchObject({ hits: 1, shared: 1, misses: 1 });
  });

  it("with other headers is something else", async () => {
    await using it = await world();
    const of = (language: string): Promise<string> =>
      text(it.client.peek({}, { headers: { "accept-language": language } }));
    expect([await of("de"), await of("fr"), await of("de")]).toEqual([" 1", " 2", " 1"]);
  });

  it("is asked again by who wants it fresh, and known to the others then", async () => {
    await using it = await world();
    for (const value of ["", "no-cache", "", "max-age=0", ""])
      await it.client.peek({}, { headers: value === "" ? {} : { "cache-control": value } });
    expect(it.asked).toHaveLength(3);
    expect(await text(it.client.peek({}))).toBe(" 3");
  });

  it("is not what an older call brings later than a fresh one", async () => {
    const runs: ((text: string) => void)[] = [];
    await using it = await world({}, () => new Promise((resolve) => runs.push((said) => resolve({ text: said }))));
    const older = text(it.client.peek({}));
    await it.clock.settle();
    const fresh = text(it.client.peek({}, { headers: { "cache-control": "no-cache" } }));
    await it.clock.settle();
    runs[1]!("new");
    expect(await fresh).toBe("new");
    runs[0]!("old");
    expect(await older).toBe("old");
    expect(await text(it.client.peek({}))).toBe("new");
  });

  it("gets nothing from a cache that its caller wrote into", async () => {
    await using it = await world({}, () => ({ text: "tea", data: Uint8Array.of(1, 2, 3) }));
    for (let count = 0; count < 3; count++) {
      const answer = await it.client.peek({});
      expect(answer).toMatchObject({ text: "tea", data: Uint8Array.of(1, 2, 3) });
      answer.text = "milk";
      answer.data.fill(0);
    }
    expect(it.asked).toHaveLength(1);
  });

  it("is answered before any other plugin is asked, wherever it stands in the list", async () => {
    const seen: string[] = [];
    const counts = definePlugin({
      name: "counts",
      start: () => ({
        call: () => (next) => (request) => {
          seen.push(request.method.name);
          return next(request);
        },
      }),
    });
    await using it = await world({}, undefined, [counts, retry()]);
    for (let count = 0; count < 3; count++) await it.client.peek({});
    expect(seen).toEqual(["Peek"]);
  });
});

describe("how long an answer is good", () => {
  it.each([
    ["max-age=5", 5],
    ["public, max-age=600", 60],
    ["no-store", 0],
    ["no-cache", 0],
    ["private, max-age=0", 0],
  ] as const)("the server may say less than the schema: %s", async (value, seconds) => {
    await using it = await world({}, (_, { responseHeader }) => {
      responseHeader.set("cache-control", value);
      return {};
    });
    await it.client.peek({});
    await it.clock.advance(Math.max(0, seconds * 1_000 - 1));
    await it.client.peek({});
    expect(it.asked).toHaveLength(seconds === 0 ? 2 : 1);
    await it.clock.advance(1);
    await it.client.peek({});
    expect(it.asked).toHaveLength(seconds === 0 ? 3 : 2);
  });

  it("what a server had kept is not kept as long again", async () => {
    const shows = definePlugin({
      name: "shows",
      start: () => ({ introduce: (to) => void (to.credential = "ann") }),
    });
    let runs = 0;
    await using it = await lab({
      server: { use: [names, cache()] },
      handlers: { peek: () => ({ text: String(++runs) }) },
    });
    const ask = labClient(it.connect({ use: [shows] }));
    await ask.peek({});
    await it.clock.advance(40_000);
    const other = labClient(it.connect({ use: [shows, clientCache()] }));
    expect(await text(other.peek({}))).toBe("1");
    await it.clock.advance(19_999);
    expect(await text(other.peek({}))).toBe("1");
    await it.clock.advance(1);
    expect(await text(other.peek({}))).toBe("2");
  });

  it("`channels` says it in place of the schema, and of none", async () => {
    await using it = await world({ channels: { [PEEK]: 1_000 } });
    await it.client.peek({});
    await it.clock.advance(1_000);
    await it.client.peek({});
    expect(it.asked).toHaveLength(2);
    await using none = await world({ channels: { "lab.v1.LabService/*": 0 } });
    await none.client.peek({});
    await none.client.peek({});
    expect(none.asked).toHaveLength(2);
  });

  it("what may have effects is asked each time, whatever `channels` says", async () => {
    await using it = await world({ channels: { [ECHO]: 1_000, "lab.v1.LabService/Add": 1_000 } });
    for (let count = 0; count < 2; count++) {
      await it.client.echo({ text: "tea" });
      await it.client.add({ a: 1, b: 2 });
    }
    expect(it.calls.filter((call) => !call.startsWith("over"))).toEqual(["echo tea", "add 1 2", "echo tea", "add 1 2"]);
  });
});

describe("equal calls under way", () => {
  it("are one call; who gives up leaves alone, and an error is for all of them and not kept", async () => {
    const runs: ((answer: string | Error) => void)[] = [];
    await using it = await world(
      {},
      () =>
        new Promise((resolve, reject) =>
          runs.push((answer) => (typeof answer === "string" ? resolve({ text: answer }) : reject(answer))),
        ),
    );
    const leaves = new AbortController();
    const first = outcome(it.client.peek({}, { signal: leaves.signal }));
    const others = [text(it.client.peek({})), text(it.client.peek({}))];
    await it.clock.settle();
    expect(runs).toHaveLength(1);
    leaves.abort();
    expect(ConnectError.from(await first).code).toBe(Code.Canceled);
    await it.clock.settle();
    expect(runs).toHaveLength(2);
    runs[1]!("tea");
    expect(await Promise.all(others)).toEqual(["tea", "tea"]);
    it.cache.drop();
    const failing = [outcome(it.client.peek({})), outcome(it.client.peek({}))];
    await it.clock.settle();
    runs[2]!(new ConnectError("no tea", Code.NotFound));
    for (const each of await Promise.all(failing)) expect(ConnectError.from(each).code).toBe(Code.NotFound);
    expect(runs).toHaveLength(3);
    expect(it.cache.stats.entries).toBe(0);
  });
});

describe("a new session", () => {
  /** Two servers, and a client whose credential changes when it goes from one to the other. */
  async function moving() {
    const all = nodes();
    let who = "ann";
    const shows = definePlugin({ name: "shows", start: () => ({ introduce: (to) => void (to.credential = who) }) });
    let held: Promise<void> | undefined;
    const holds = definePlugin({
      name: "holds",
      start: () => ({
        call: () => (next) => async (request) => {
          await held;
          return next(request);
        },
      }),
    });
    const a = await all.start("http://a", { use: [names, holds] });
    await all.start("http://b", { use: [names] });
    const plugin = clientCache();
    const connection = all.connect(["http://a", "http://b"], { use: [plugin, shows], probeMs: 0 });
    return {
      all,
      a,
      plugin,
      client: labClient(connection),
      become: (name: string) => void (who = name),
      /** Calls at the first server wait for this. */
      hold: (until: Promise<void>) => void (held = until),
    };
  }

  it("knows nothing of what was answered in the one before: its principal may be another", async () => {
    const it = await moving();
    await using _ = it.all;
    await it.client.peek({ text: "mine" });
    await it.client.peek({ text: "mine" });
    expect(it.plugin.stats).toMatchObject({ hits: 1, misses: 1 });
    it.become("ben");
    await it.all.during(it.a.app.drain({ drainMs: 1_000 }));
    expect(it.plugin.stats.entries).toBe(0);
    await it.client.peek({ text: "mine" });
    expect(it.plugin.stats).toMatchObject({ hits: 1, misses: 2 });
  });

  it("does not get what the one before is still being answered", async () => {
    const it = await moving();
    await using _ = it.all;
    await it.client.peek({ text: "warm" });
    let release = (): void => {};
    it.hold(new Promise<void>((resolve) => (release = resolve)));
    const late = it.client.peek({ text: "mine" });
    await it.all.clock.settle();
    it.become("ben");
    const draining = it.a.app.drain({ drainMs: 10_000, spreadMs: 0 });
    await it.all.clock.advance(200);
    release();
    expect((await it.all.during(late)).text).toBe("mine");
    expect(it.plugin.stats.entries).toBe(0);
    await it.all.during(draining);
  });

  it("is not what a cut, or a switch, leaves behind", async () => {
    await using it = await world();
    await it.client.peek({});
    it.memory.cut();
    await it.clock.advance(5_000);
    expect(it.connection.state.current.status).toBe("open");
    await it.client.peek({});
    expect(it.asked).toHaveLength(1);
  });
});

describe("memory", () => {
  it("is bounded in answers, bytes, and sizes of answers and requests", async () => {
    const data = new Uint8Array(1_000);
    const ask = async (options: ClientCacheOptions, of: readonly string[]): Promise<readonly number[]> => {
      await using it = await world(options, ({ text: said }) => ({
        data: said === "much" ? data : data.subarray(0, 9),
      }));
      for (const name of of) await it.client.peek({ text: name });
      return [it.cache.stats.entries, it.asked.length];
    };
    expect(await ask({ maxEntries: 2 }, ["a", "b", "c", "a"])).toEqual([2, 4]);
    expect(await ask({ answerBytes: 500 }, ["much", "much", "a", "a"])).toEqual([1, 3]);
    expect(await ask({ keyBytes: 150 }, ["x".repeat(150), "x".repeat(150), "a", "a"])).toEqual([1, 3]);
    expect(await ask({ maxBytes: 2_000 }, ["a", "b", "c"])).toEqual([2, 3]);
  });

  it("drop forgets all, or a channel, and what is under way", async () => {
    const runs: (() => void)[] = [];
    await using it = await world(
      {},
      ({ text: said }) => new Promise((resolve) => runs.push(() => resolve({ text: said }))),
    );
    const ask = async (): Promise<void> => {
      const call = it.client.peek({});
      await it.clock.settle();
      runs.at(-1)!();
      await call;
    };
    await ask();
    expect(it.cache.drop("lab.v1.LabService/Echo")).toBe(0);
    expect(it.cache.drop(PEEK)).toBe(1);
    await ask();
    expect(it.cache.drop("lab.v1.LabService/*")).toBe(1);
    const before = it.client.peek({});
    await it.clock.settle();
    expect(it.cache.drop()).toBe(0);
    const after = it.client.peek({});
    await it.clock.settle();
    expect(runs).toHaveLength(4);
    for (const run of runs) run();
    await Promise.all([before, after]);
    expect(it.cache.stats.entries).toBe(1);
    expect(() => it.cache.drop("Peek")).toThrow("package.Service/Method");
  });

  it("options are checked where they are given", () => {
    expect(() => clientCache({ maxEntries: -1 })).toThrow("maxEntries");
    expect(() => clientCache({ scope: "public" } as object)).toThrow("scope");
    expect(() => clientCache({ channels: { Peek: 1 } })).toThrow("package.Service/Method");
    expect(() => clientCache({ channels: { [PEEK]: -1 } })).toThrow("0 to");
  });
});
