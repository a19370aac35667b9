// What the cache keeps and forgets: its bounds, what is dropped, and which channels it is for.
import { ConnectError } from "@connectrpc/connect";
import { type Connection, connect } from "@raceway/client";
import { memoryTransport, reasonOf } from "@raceway/core";
import { type Cache, type CacheOptions, cache } from "@raceway/middleware/cache";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { handlers, lab } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labContract } from "../gen/lab/v1/lab.contract.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { PEEK, shows, text, world } from "./cache-world.ts";
import { names } from "./stage.ts";

describe("memory", () => {
  it("holds so many answers, and those that were used least lately go first", async () => {
    await using it = await world({}, { options: { maxEntries: 2 } });
    const ann = it.as("ann");
    for (const name of ["a", "b", "a", "c", "a", "b"]) await ann.peek({ text: name });
    expect(it.asked).toEqual(["a", "b", "c", "b"]);
    expect(it.cache.stats.entries).toBe(2);
  });

  it("holds so many bytes, whoever asks for however much", async () => {
    await using it = await world(
      {},
      { options: { maxBytes: 100_000 }, peek: () => ({ data: new Uint8Array(10_000) }) },
    );
    const ann = it.as("ann");
    for (let count = 0; count < 50; count++) await ann.peek({ text: String(count) });
    const { bytes, entries } = it.cache.stats;
    expect(entries).toBe(9);
    expect(bytes).toBeLessThanOrEqual(100_000);
    expect(bytes).toBeGreaterThan(90_000);
  });

  it("counts headers, too, and no more than there is", async () => {
    await using it = await world(
      {},
      {
        options: { maxBytes: 20_000 },
        peek(_, { responseHeader }) {
          responseHeader.set("x-long", "x".repeat(8_000));
          return {};
        },
      },
    );
    const ann = it.as("ann");
    for (let count = 0; count < 5; count++) await ann.peek({ text: String(count) });
    expect(it.cache.stats.entries).toBe(2);
    expect(it.cache.drop()).toBe(2);
    expect(it.cache.stats).toMatchObject({ entries: 0, bytes: 0 });
  });

  it("keeps no answer that is larger than allowed, and looks up no request that is", async () => {
    await using it = await world(
      {},
      {
        options: { answerBytes: 1_000, keyBytes: 200 },
        peek: ({ text: said }) => ({ data: new Uint8Array(said === "much" ? 1_001 : 10) }),
      },
    );
    const ann = it.as("ann");
    for (const name of ["much", "x".repeat(200), "little"])
      for (let count = 0; count < 2; count++) await ann.peek({ text: name });
    expect(it.asked.map((name) => name.length)).toEqual([4, 4, 200, 200, 6]);
    expect(it.cache.stats.entries).toBe(1);
  });

  it("is given back by what is too old as soon as it is asked for", async () => {
    await using it = await world(
      {},
      { peek: (_, { responseHeader }) => (responseHeader.set("cache-control", "max-age=1"), {}) },
    );
    const ann = it.as("ann");
    await ann.peek({});
    const { bytes } = it.cache.stats;
    await it.lab.clock.advance(2_000);
    await ann.peek({});
    expect(it.cache.stats).toMatchObject({ bytes, entries: 1, misses: 2 });
  });

  it("of none keeps none", async () => {
    await using it = await world({}, { options: { maxEntries: 0 } });
    const ann = it.as("ann");
    await ann.peek({});
    await ann.peek({});
    expect(it.asked).toHaveLength(2);
  });
});

describe("drop", () => {
  it("forgets all, a channel, a service, a request, or what is a principal's, and says how many", async () => {
    await using it = await world();
    const ann = it.as("ann");
    const ben = it.as("ben");
    const fill = async (): Promise<void> => {
      for (const who of [ann, ben])
        for (const name of ["tea", "milk"]) await who.peek({ text: name, marks: { a: 1, b: 2 } });
    };
    await fill();
    const drop = async (what?: Parameters<Cache["drop"]>[0]): Promise<number> => {
      const count = it.cache.drop(what);
      const before = it.asked.length;
      await fill();
      expect(it.asked).toHaveLength(before + count);
      return count;
    };
    expect(await drop()).toBe(4);
    expect(await drop({ channel: PEEK })).toBe(4);
    expect(await drop({ channel: "lab.v1.LabService/*" })).toBe(4);
    expect(await drop({ channel: "lab.v1.Lab/*" })).toBe(0);
    expect(await drop({ channel: "lab.v1.LabService/Add", request: { a: 1 } })).toBe(0);
    expect(await drop({ principal: "ben" })).toBe(2);
    expect(await drop({ channel: PEEK, request: { text: "tea", marks: { b: 2, a: 1 } } })).toBe(2);
    expect(await drop({ channel: PEEK, request: { text: "tea" } })).toBe(0);
    expect(await drop({ channel: PEEK, request: { text: "milk", marks: { a: 1, b: 2 } }, principal: "ann" })).toBe(1);
  });

  it("also counts for what is under way: that is not kept, and who asks from now on gets a newer one", async () => {
    const runs: ((text: string) => void)[] = [];
    await using it = await world(
      {},
      {
        peek: () => new Promise((resolve) => runs.push((answer) => resolve({ text: answer }))),
      },
    );
    const ann = it.as("ann");
    const before = text(ann.peek({}));
    await it.lab.clock.settle();
    expect(it.cache.drop({ channel: PEEK })).toBe(0);
    const after = text(ann.peek({}));
    await it.lab.clock.settle();
    expect(runs).toHaveLength(2);
    runs[1]!("new");
    expect(await after).toBe("new");
    runs[0]!("old");
    expect(await before).toBe("old");
    expect(await text(ann.peek({}))).toBe("new");
  });

  it("knows what it is told", async () => {
    await using it = await world();
    expect(() => it.cache.drop({ channel: "Peek" })).toThrow("package.Service/Method");
    expect(() => it.cache.drop({ request: {} })).toThrow("a request with its channel");
    expect(() => it.cache.drop({ channel: "lab.v1.LabService/*", request: {} })).toThrow("a request with its channel");
  });
});

describe("which channels", () => {
  const started = async (options: CacheOptions): Promise<unknown> => {
    const made = lab({ server: { use: [names, cache(options)] } });
    return made.then(
      async (it) => {
        await it[Symbol.asyncDispose]();
        return "ok";
      },
      (error: unknown) => error,
    );
  };

  it("only those that the schema marks, or that are named", async () => {
    await using it = await world({ maxAgeMs: 0 });
    const ann = it.as("ann");
    await ann.peek({});
    await ann.peek({});
    expect(it.asked).toHaveLength(2);
    const inspection = await it.lab.app.inspect();
    expect(inspection.channels.flatMap(({ stations }) => stations.call ?? [])).not.toContain("cache");
  });

  it("are last to see a call, and `inspect` says why", async () => {
    await using it = await world();
    const { order, channels } = await it.lab.app.inspect();
    expect(order).toEqual([
      { plugin: "names", why: ["before cache, which asks to run after it"] },
      { plugin: "cache", why: ["after names, as it asks itself"] },
    ]);
    expect(channels.filter(({ stations }) => stations.call?.includes("cache")).map(({ path }) => path)).toEqual([
      `/${PEEK}`,
    ]);
  });

  it("what may have effects cannot be named, but a service can, for those of it that have none", async () => {
    for (const name of ["Add", "Echo", "Count", "Ticks"]) {
      const error = await started({ channels: { [`lab.v1.LabService/${name}`]: { maxAgeMs: 1_000 } } });
      expect(reasonOf(error), name).toBe("plugin_unfit");
      expect(ConnectError.from(error).message).toContain("only unary calls without side effects");
    }
    expect(await started({ channels: { "lab.v1.LabService/Add": { maxAgeMs: 0 } } })).toBe("ok");
    expect(await started({ channels: { "lab.v1.LabService/*": { maxAgeMs: 1_000 } } })).toBe("ok");
  });

  it("what is not served stops the start", async () => {
    expect(reasonOf(await started({ channels: { "lab.v1.LabService/Pek": {} } }))).toBe("rule_unused");
  });

  it.each([
    [{ maxAge: 1 }, "maxAge"],
    [{ maxAgeMs: -1 }, "maxAgeMs"],
    [{ maxEntries: Number.NaN }, "maxEntries"],
    [{ channels: { Peek: {} } }, "package.Service/Method"],
    [{ channels: { [PEEK]: { maxAgeMs: Infinity } } }, "maxAgeMs"],
    [{ channels: { [PEEK]: { scope: "shared" } } }, '"private" or "public"'],
    [{ channels: { [PEEK]: { headers: ["a b"] } } }, "names of headers"],
    [{ channels: { [PEEK]: { by: "tenant" } } }, "a function"],
    [{ channels: { [PEEK]: { maxage: 1 } } }, "maxage"],
  ])("options are checked where they are given: %j", (options, word) => {
    expect(() => cache(options as CacheOptions)).toThrow(word);
  });

  it("the default age is for channels without side effects of which nothing else is said, privately", async () => {
    const { cache: _, ...unsaid } = labContract.channels["peek"]!;
    const contract = { ...labContract, channels: { ...labContract.channels, peek: unsaid } };
    const memory = memoryTransport();
    const clock = virtualClock();
    const calls: string[] = [];
    await using app = raceway({ transports: [memory.server], clock, use: [cache({ maxAgeMs: 1_000 }), names] });
    app.serve({ ...labService, contract }, handlers(calls, clock));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const as = (who: string): Connection =>
      connect("http://lab", { transports: [memory.client], clock, use: [shows(who)] });
    await using ann = as("ann");
    await using ben = as("ben");
    const ask = async (times: number, who: Connection): Promise<void> => {
      for (let count = 0; count < times; count++) await labClient(who).peek({});
    };
    await ask(2, ann);
    await ask(2, ben);
    await clock.advance(1_000);
    await ask(1, ann);
    expect(calls).toEqual(["peek ", "peek ", "peek "]);
  });
});
