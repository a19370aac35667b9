// What every plugin may rely on, on both sides: how it is checked, ordered, started, told to drain and ended; and what a host does with one that misbehaves.
import { readFileSync } from "node:fs";
import { createContextKey } from "@connectrpc/connect";
import { type ConnectOptions, connect } from "@raceway/client";
import {
  type Host,
  type Logger,
  type Plugin,
  type PluginList,
  type Stations,
  definePlugin,
  memoryTransport,
  reasonOf,
  silentLogger,
} from "@raceway/core";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { limits } from "@raceway/middleware/limits";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { from, handlers, lab, take } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { outcome } from "./stage.ts";

/** A log that is read. */
function readLog(): Logger & { readonly lines: string[] } {
  const lines: string[] = [];
  const note =
    (level: string) =>
    (message: string, fields: object = {}): void =>
      void lines.push(`${level}: ${message} ${JSON.stringify(fields)}`);
  return { ...silentLogger, lines, warn: note("warn"), error: note("error") };
}

/** A plugin that notes its life. */
function noting(name: string, seen: string[], more: Partial<Plugin> = {}, stations: Stations = {}): Plugin {
  return definePlugin({
    name,
    async start({ draining }) {
      seen.push(`${name} starts`);
      await Promise.resolve();
      seen.push(`${name} started`);
      draining.addEventListener("abort", () => seen.push(`${name} drains`));
      return {
        async [Symbol.asyncDispose]() {
          await Promise.resolve();
          seen.push(`${name} ends`);
        },
        ...stations,
      };
    },
    ...more,
  });
}

/** One side with plugins, from its first call to its end; the other side has none. */
interface Side {
  readonly clock: VirtualClock;
  readonly log: ReturnType<typeof readLog>;
  /** Resolves when the side works: a call was answered. Rejects as its plugins make it. */
  use(): Promise<unknown>;
  close(): Promise<void>;
}

function server(use: PluginList): Side {
  const clock = virtualClock();
  const log = readLog();
  const memory = memoryTransport();
  const app = raceway({ transports: [memory.server], use, clock, log });
  app.serve(labService, handlers([], clock));
  return {
    clock,
    log,
    use: () => app.listen({ port: 0, host: "127.0.0.1" }),
    close: () => app.close(0),
  };
}

function client(use: PluginList): Side {
  const clock = virtualClock();
  const log = readLog();
  const memory = memoryTransport();
  const app = raceway({ transports: [memory.server], clock });
  app.serve(labService, handlers([], clock));
  const options: ConnectOptions = { transports: [memory.client], use, clock, log };
  const connection = connect("http://lab", options);
  return {
    clock,
    log,
    async use() {
      await app.listen({ port: 0, host: "127.0.0.1" });
      return labClient(connection).echo({ text: "x" });
    },
    async close() {
      await connection.close();
      await app.close(0);
    },
  };
}

describe.each([
  ["server", server],
  ["client", client],
] as const)("on a %s, plugins", (name, side) => {
  it("start one after the other in their order, are told to drain, and end in reverse", async () => {
    const seen: string[] = [];
    const who = createContextKey("", { description: "who" });
    const it = side([
      noting("limit", seen, { requires: [who] }),
      noting("token", seen, { provides: [who] }),
      noting("log", seen),
    ]);
    await it.use();
    const starts = ["token", "limit", "log"].flatMap((each) => [`${each} starts`, `${each} started`]);
    expect(seen).toEqual(starts);
    await it.close();
    const drains = ["token drains", "limit drains", "log drains"];
    expect(seen.slice(starts.length)).toEqual([...drains, "log ends", "limit ends", "token ends"]);
  });

  it("that had started are ended when a later one cannot, and its error is what everybody gets", async () => {
    const seen: string[] = [];
    const broken = definePlugin({ name: "broken", start: () => Promise.reject(new Error("no key file")) });
    const it = side([noting("a", seen), noting("b", seen), broken, noting("never", seen)]);
    const using = outcome(it.use());
    await it.clock.settle();
    expect(String(await using)).toContain("no key file");
    expect(seen).toEqual(["a starts", "a started", "b starts", "b started", "b ends", "a ends"]);
    await it.close();
    expect(seen.filter((each) => each.endsWith("ends"))).toHaveLength(2); // once is enough
  });

  it("that hang or fail at their end keep nobody: the others end, and the log names them", async () => {
    const seen: string[] = [];
    const it = side([
      noting("first", seen),
      noting("hangs", seen, {}, { [Symbol.asyncDispose]: () => new Promise(() => {}) }),
      noting("fails", seen, {}, { [Symbol.asyncDispose]: () => Promise.reject(new Error("disk full")) }),
      noting(
        "throws",
        seen,
        {},
        {
          [Symbol.asyncDispose]() {
            throw new Error("no disk");
          },
        },
      ),
    ]);
    await it.use();
    const closing = it.close();
    await it.clock.advance(4_999);
    expect(seen).not.toContain("first ends");
    await it.clock.advance(1);
    await closing;
    expect(seen).toContain("first ends");
    expect(it.log.lines).toEqual([
      'error: a plugin failed to end {"plugin":"throws","error":"Error: no disk"}',
      'error: a plugin failed to end {"plugin":"fails","error":"Error: disk full"}',
      'error: a plugin failed to end {"plugin":"hangs","error":"still at it after 5000 ms"}',
    ]);
  });

  it("leave no timer behind", async () => {
    const left = async (use: PluginList): Promise<number> => {
      const it = side(use);
      await it.use();
      await it.close();
      await it.clock.settle();
      return it.clock.timers;
    };
    expect(await left([noting("a", []), noting("b", [])])).toBe(await left([]));
  });

  it.each<[reason: string, PluginList, ...named: string[]]>([
    ["plugin_twice", [noting("a", []), [noting("a", [])]], "a"],
    [
      "plugin_missing_provider",
      [noting("limit", [], { requires: [createContextKey("", { description: "who" })] })],
      "limit",
      "who",
    ],
    ["plugin_circle", [noting("a", [], { after: ["b"] }), noting("b", [], { after: ["a"] })], "a after b after a"],
    ["plugin_contract", [{ ...noting("old", []), contract: 2 as never }], "old", "2"],
  ])("are refused with %s where they are listed, by name", (reason, use, ...named) => {
    let error: unknown;
    try {
      side(use);
    } catch (thrown) {
      error = thrown;
    }
    expect(reasonOf(error)).toBe(reason);
    for (const each of named) expect((error as Error).message).toContain(each);
    expect(userLine(error)).toMatch(name === "server" ? /= raceway\(.*use/ : /= connect\(/);
  });
});

it("on a client that is closed while they start, plugins are ended once they have", async () => {
  const seen: string[] = [];
  let ready = (): void => {};
  const slow: Plugin = definePlugin({
    name: "slow",
    async start(): Promise<Stations> {
      await new Promise<void>((resolve) => (ready = resolve));
      return { [Symbol.asyncDispose]: () => Promise.resolve(void seen.push("slow ends")) };
    },
  });
  const it = client([slow]);
  await it.close();
  expect(seen).toEqual([]);
  ready();
  await it.clock.settle();
  expect(seen).toEqual(["slow ends"]);
});

describe("on a client whose plugin never starts", () => {
  const stuck = definePlugin({ name: "stuck", start: () => new Promise<Stations>(() => {}) });
  const text = { text: "x" };

  it("calls end by their deadline, unary and streams", async () => {
    const clock = virtualClock();
    await using connection = connect("http://lab", { transports: [memoryTransport().client], use: [stuck], clock });
    const client = labClient(connection);
    const unary = outcome(client.echo(text, { timeoutMs: 1_000 }));
    const stream = outcome(take(client.count({ to: 3 }, { timeoutMs: 1_000 }), 1));
    await clock.advance(999);
    await clock.settle();
    const early = Symbol("early");
    expect(await Promise.race([unary, stream, Promise.resolve(early)])).toBe(early);
    await clock.advance(1);
    expect(reasonOf(await unary)).toBe("call_deadline");
    expect(reasonOf(await stream)).toBe("call_deadline");
  });

  it("calls end when their caller leaves, before or while they wait", async () => {
    const clock = virtualClock();
    await using connection = connect("http://lab", { transports: [memoryTransport().client], use: [stuck], clock });
    const client = labClient(connection);
    const leaving = new AbortController();
    const waits = outcome(client.echo(text, { signal: leaving.signal }));
    await clock.settle();
    leaving.abort();
    expect(reasonOf(await waits)).toBe("call_cancelled");
    expect(reasonOf(await outcome(client.echo(text, { signal: leaving.signal })))).toBe("call_cancelled");
  });
});

describe("a channel that a plugin does not fit", () => {
  const picky = (severity: "error" | "warning", started: string[] = []): Plugin =>
    noting("picky", started, {
      check: ({ path, contract }) =>
        contract.kind === "duplex"
          ? [{ severity, message: `${path} streams both ways`, mend: "leave it out with skip" }]
          : [],
    });

  it("stops the start with both their names, before any plugin has started", async () => {
    const started: string[] = [];
    await using app = raceway({ transports: [], use: [noting("other", started), picky("error", started)] });
    app.serve(labService, handlers([], virtualClock()));
    const error = await outcome(app.listen({ port: 0, host: "127.0.0.1" }));
    expect(reasonOf(error)).toBe("plugin_unfit");
    expect((error as Error).message).toBe(
      "[failed_precondition] Plugin picky does not fit /lab.v1.LabService/Chat: /lab.v1.LabService/Chat streams both ways; leave it out with skip.",
    );
    expect(started).toEqual([]);
  });

  it("is a line in the log if it only warns", async () => {
    const it = server([picky("warning")]);
    expect(await it.use()).toMatchObject({ url: expect.stringContaining("127.0.0.1") as string });
    expect(it.log.lines).toEqual([
      'warn: a plugin warns of a channel {"plugin":"picky","path":"/lab.v1.LabService/Chat","warning":"/lab.v1.LabService/Chat streams both ways","mend":"leave it out with skip"}',
    ]);
    await it.close();
  });
});

describe("a channel that a client's plugin does not fit", () => {
  it("fails its calls, unary and streams, and no others; the plugin is asked once for each channel that is used", async () => {
    const asked: string[] = [];
    const lines: string[] = [];
    const say = (text: string): void => void lines.push(text);
    const plugin = definePlugin({
      name: "picky",
      check({ path, contract }) {
        asked.push(path.split("/").at(-1)!);
        if (contract.kind === "duplex" || path.endsWith("Echo"))
          return [{ severity: "error", message: "it says too much", mend: "leave it out with skip" }];
        return path.endsWith("Add") ? [{ severity: "warning", message: "it is slow", mend: "ask for less" }] : [];
      },
      start: () => ({}),
    });
    await using it = await lab({ client: { use: [plugin], log: { debug: say, info: say, warn: say, error: say } } });
    expect(await it.client.peek({ text: "tea" })).toMatchObject({ text: "tea" });
    for (let times = 0; times < 2; times++) {
      const refused = await outcome(it.client.echo({ text: "tea" }));
      expect((refused as Error).message).toBe(
        "[failed_precondition] Plugin picky does not fit /lab.v1.LabService/Echo: it says too much; leave it out with skip.",
      );
      expect(reasonOf(await outcome(take(it.client.chat(from([{ text: "a" }])), 1)))).toBe("plugin_unfit");
      expect(await it.client.add({ a: 1, b: 2 })).toMatchObject({ sum: 3 });
    }
    expect(asked).toEqual(["Peek", "Echo", "Chat", "Add"]);
    expect(lines).toEqual(["Plugin picky does not fit /lab.v1.LabService/Add: it is slow; ask for less."]);
    expect(it.calls).toEqual(["peek tea", "add 1 2", "add 1 2"]); // nothing else was sent
  });
});

describe("options", () => {
  it.each<[string, () => unknown]>([
    ["limits", () => limits({ concurrent: -1 })],
    ["limits", () => limits({ parallel: 1 } as never)],
    ["rateLimit", () => rateLimit({ idleMs: "soon" } as never)],
    ["ipFilter", () => ipFilter({ allow: ["not an address"] })],
  ])("of %s are refused on the line where they are written", (name, make) => {
    let error: unknown;
    try {
      make();
    } catch (thrown) {
      error = thrown;
    }
    expect(["option_invalid", "option_unknown"]).toContain(reasonOf(error));
    expect(userLine(error)).toContain(`["${name}", () => ${name}(`);
  });
});

describe("the host of a plugin", () => {
  it("tells its side, and its drain signal has come when all is over", async () => {
    const hosts: Host[] = [];
    const watching = definePlugin({ name: "watching", start: (host) => (hosts.push(host), {}) });
    for (const side of [server, client]) {
      const it = side([watching]);
      await it.use();
      await it.close();
    }
    expect(hosts.map(({ side, draining }) => [side, draining.aborted])).toEqual([
      ["server", true],
      ["client", true],
    ]);
  });
});

/** The line of this file that a stack leads to first, after Raceway's own. */
function userLine(error: unknown): string {
  const stack = ((error as Error).stack ?? "").split("\n").filter((line) => /^\s+at /.test(line));
  const place = /lifecycle\.test\.ts:(\d+):/.exec(stack.find((line) => !line.includes("/packages/")) ?? "");
  return readFileSync(import.meta.filename, "utf8").split("\n")[Number(place?.[1]) - 1] ?? "";
}
