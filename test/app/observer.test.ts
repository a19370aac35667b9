// What a plugin is told of a server: links, sessions, refusals, publications, fan-outs, routes of its own; and that it cannot break anything.
import { createServer } from "node:http";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { connect } from "@raceway/client";
import { type Observer, type Plugin, definePlugin, fail, jsonCodec, memoryTransport, reasonOf } from "@raceway/core";
import { type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { grpc as grpcLink } from "@raceway/transport-grpc/client";
import { grpc } from "@raceway/transport-grpc/server";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { handlers, lab, take } from "./lab.ts";

/** Writes down what it is told, as sentences. */
function watcher(): { readonly plugin: Plugin; readonly told: string[]; only(word: string): string[] } {
  const told: string[] = [];
  const names = new Map<string, string>();
  /** Sessions by the order in which they came. */
  const nameOf = (id: string): string => {
    if (id === "") return "none";
    if (!names.has(id)) names.set(id, `#${names.size + 1}`);
    return names.get(id)!;
  };
  const observe: Observer = {
    link: ({ kind, transport, session, livedMs, error }) =>
      void told.push(
        `link ${kind} ${transport} ${nameOf(session)}${kind === "closed" ? ` after ${livedMs}: ${reasonOf(error) ?? "well"}` : ""}`,
      ),
    session: ({ kind, session, transport, from, livedMs, error }) =>
      void told.push(
        `session ${nameOf(session)} ${kind} ${from === "" ? "" : `${from} to `}${transport}${kind === "ended" ? ` after ${livedMs}: ${reasonOf(error)}` : ""}`,
      ),
    refused: ({ what, transport, channel, error }) =>
      void told.push(`refused ${what} ${transport} ${channel}: ${reasonOf(error)}`),
    publishing: ({ channel, address, context }) => {
      told.push(`publishing ${channel.path} ${address} ${context === undefined ? "server" : "call"}`);
      return (outcome) => void told.push("offset" in outcome ? `at ${outcome.offset}` : `not: ${reasonOf(outcome)}`);
    },
    fanOut: ({ address, first, last, events, subscribers, bytes }) =>
      void told.push(
        `fan-out ${address} ${first}-${last} ${events} to ${subscribers}: ${bytes > 0 ? "bytes" : "none"}`,
      ),
  };
  return {
    plugin: definePlugin({ name: "watcher", start: () => ({ observe }) }),
    told,
    only: (word) => told.filter((each) => each.startsWith(word)),
  };
}

async function twoWays(plugin: Plugin, more: Partial<RacewayOptions> = {}) {
  const clock: VirtualClock = virtualClock();
  const a = memoryTransport({ transport: "a" });
  const b = memoryTransport({ transport: "b" });
  const app = raceway({ transports: [a.server, b.server], clock, use: [plugin], ...more });
  const topics = app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connection = connect("http://lab", { transports: [a.client, b.client], clock, probeMs: 0 });
  return {
    clock,
    a,
    b,
    app,
    topics,
    connection,
    client: labClient(connection),
    async [Symbol.asyncDispose](): Promise<void> {
      await connection.close();
      await app.close(0);
    },
  };
}

describe("links and sessions", () => {
  it("from the first link to the last goodbye", async () => {
    const watch = watcher();
    const it = await twoWays(watch.plugin);
    await it.client.echo({});
    await it.clock.advance(1_000);
    await it.connection.close();
    await it.clock.settle();
    expect(watch.told).toEqual([
      "link opened a none",
      "session #1 opened a",
      "session #1 ended a after 1000: connection_closed",
      "link closed a #1 after 1000: well",
    ]);
    await it.app.close(0);
  });

  it("a link that is cut, and the session that comes back", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin);
    await it.client.echo({});
    it.a.cut();
    await it.clock.advance(1_000);
    await it.client.echo({});
    expect(watch.told).toEqual([
      "link opened a none",
      "session #1 opened a",
      "link closed a #1 after 0: link_closed",
      "link opened a none",
      "session #1 resumed a",
    ]);
  });

  it("a session that moves to another transport, once, though both links are open", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin);
    await it.client.echo({});
    await it.connection.switchTo("b");
    await it.client.echo({});
    await it.clock.settle();
    expect(watch.told).toEqual([
      "link opened a none",
      "session #1 opened a",
      "link opened b none",
      "session #1 switched a to b",
      "link closed a #1 after 0: well",
    ]);
  });

  it("a session that is never resumed ends when its time is over", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin, { limits: { resumeMs: 5_000 } });
    const { a } = it;
    await it.client.echo({});
    await it.connection.close();
    const gone = connect("http://lab", {
      transports: [{ ...a.client, name: "a" }],
      clock: it.clock,
      backoff: { firstMs: 3_600_000, capMs: 3_600_000 },
      random: { next: () => 1, bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    });
    await labClient(gone).echo({});
    a.cut();
    await it.clock.advance(5_000);
    expect(watch.only("session #2")).toEqual([
      "session #2 opened a",
      "session #2 ended a after 5000: resume_impossible",
    ]);
    await gone.close();
  });

  it("what goes over them, in batches, both ways", async () => {
    const sums = { in: 0, out: 0 };
    let batches = 0;
    const counter = definePlugin({
      name: "counter",
      start: () => ({
        observe: {
          batch(transport, direction, bytes) {
            expect(transport).toBe("a");
            sums[direction] += bytes;
            batches++;
          },
        },
      }),
    });
    await using it = await twoWays(counter);
    await it.client.echo({});
    const before = { ...sums };
    const counted = batches;
    await it.client.echo({ data: new Uint8Array(10_000) });
    expect(sums.in - before.in).toBeGreaterThan(10_000);
    expect(sums.out - before.out).toBeGreaterThan(10_000);
    expect(sums.in + sums.out - before.in - before.out).toBeLessThan(20_400);
    expect(batches - counted).toBeLessThan(8);
  });
});

describe("refusals", () => {
  it("at the handshake", async () => {
    const watch = watcher();
    const shut = definePlugin({
      name: "shut",
      start: () => ({
        session() {
          throw fail("credential_missing", { scheme: "a token" });
        },
      }),
    });
    await using it = await twoWays(watch.plugin, { use: [watch.plugin, shut] });
    await expect(it.client.echo({})).rejects.toThrow("credential");
    expect(watch.only("refused")[0]).toBe("refused handshake a : credential_missing");
    expect(watch.only("session")).toEqual([]);
  });

  it("of calls and subscriptions beyond a limit, of what is too large, and of channels that are not there", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin, {
      limits: { calls: 1, subscriptions: 0, messageBytes: 1_000, headerBytes: 500 },
    });
    const refused = async (call: Promise<unknown>): Promise<unknown> =>
      reasonOf(await call.catch((error: unknown) => error));
    const slow = it.client.echo({ delayMs: 1_000 });
    await it.clock.settle();
    expect(await refused(it.client.peek({}))).toBe("too_many_calls");
    await it.clock.advance(1_000);
    await slow;
    expect(await refused(take(it.client.ticks({ board: "x" }), 1))).toBe("too_many_subscriptions");
    expect(await refused(it.client.echo({}, { headers: { long: "x".repeat(600) } }))).toBe("headers_too_large");
    expect(watch.only("refused")).toEqual([
      "refused call a /lab.v1.LabService/Peek: too_many_calls",
      "refused subscription a /lab.v1.LabService/Ticks: too_many_subscriptions",
      "refused call a /lab.v1.LabService/Echo: headers_too_large",
    ]);
  });

  it("of a message that a client should not have sent", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin, { limits: { messageBytes: 1_000 } });
    const { client, connection } = it;
    const talking = client.chat(
      (async function* () {
        yield { text: "x".repeat(500) };
        yield { text: "x".repeat(900) };
        yield { text: "x".repeat(990) };
      })(),
    );
    expect(await take(talking, 3)).toHaveLength(3);
    expect(connection.state.current.status).toBe("open");
    expect(watch.only("refused")).toEqual([]); // a client that knows the limit does not even send what is above
  });

  it("at a native door", async () => {
    const watch = watcher();
    const shut = definePlugin({
      name: "shut",
      start: () => ({
        session({ kind }) {
          if (kind === "native") throw fail("credential_missing", { scheme: "a token" });
        },
      }),
    });
    await using app = raceway({ transports: [grpc()], use: [watch.plugin, shut] });
    app.serve(labService, handlers([], virtualClock()));
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    const client = createClient(LabService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    await expect(client.peek({})).rejects.toThrow("credential");
    expect(watch.only("refused")).toEqual(["refused handshake native /lab.v1.LabService/Peek: credential_missing"]);
  });
});

describe("topics", () => {
  it("publications, and what a turn of the loop hands to how many", async () => {
    const watch = watcher();
    await using it = await twoWays(watch.plugin);
    await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
    const readers = [1, 2].map(() => take(it.client.ticks({ board: "x" }), 2));
    const other = connect("http://lab", { transports: [it.a.client], clock: it.clock, codecs: [jsonCodec()] });
    readers.push(take(labClient(other).ticks({ board: "x" }), 2));
    await it.clock.settle();
    await Promise.all([2, 3].map((sequence) => it.topics.ticks.publish({ board: "x" }, { sequence })));
    await Promise.all(readers);
    const path = "/lab.v1.LabService/Ticks";
    expect(watch.told.filter((each) => !/^(link|session)/.test(each))).toEqual([
      `publishing ${path} boards/x/ticks server`,
      "at 1",
      `publishing ${path} boards/x/ticks server`,
      `publishing ${path} boards/x/ticks server`,
      "at 2",
      "at 3",
      "fan-out boards/x/ticks 2-3 2 to 3: bytes",
    ]);
    await other.close();
  });

  it("publications that a gate or a limit refuses", async () => {
    const watch = watcher();
    const strict = definePlugin({
      name: "strict",
      start: () => ({
        topic: () => ({
          publish({ address }) {
            if (address === "boards/secret/ticks") throw fail("permission_denied", { path: address, why: "no" });
          },
        }),
      }),
    });
    await using it = await twoWays(watch.plugin, { use: [watch.plugin, strict], limits: { messageBytesOut: 100 } });
    await it.topics.ticks.publish({ board: "secret" }, {}).catch(() => {});
    await it.topics.ticks.publish({ board: "x" }, { symbol: "x".repeat(200) }).catch(() => {});
    expect(watch.only("not")).toEqual(["not: permission_denied", "not: message_too_large"]);
  });

  it("gates see the header of the request that subscribes, in a session and at a native door", async () => {
    const seen: (string | null)[] = [];
    const gate = definePlugin({
      name: "gate",
      start: () => ({ topic: () => ({ subscribe: ({ header }) => void seen.push(header.get("from")) }) }),
    });
    await using app = raceway({ transports: [grpc()], use: [gate] });
    const topics = app.serve(labService, handlers([], virtualClock()));
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    const native = createClient(LabService, createConnectTransport({ baseUrl: url, httpVersion: "1.1" }));
    await using connection = connect(url, { transports: [grpcLink()] });
    const reading = [
      take(native.ticks({ board: "x" }, { headers: { from: "native" } }), 1),
      take(labClient(connection).ticks({ board: "x" }, { headers: { from: "session" } }), 1),
    ];
    await expect.poll(() => new Set(seen)).toEqual(new Set(["native", "session"]));
    let over = false;
    void Promise.all(reading).then(() => (over = true));
    const published = async (): Promise<boolean> => {
      await topics.ticks.publish({ board: "x" }, {});
      return over;
    };
    await expect.poll(published).toBe(true);
  });
});

it("an observer that throws breaks nothing, and the log has it", async () => {
  const errors: string[] = [];
  const oops = (): never => {
    throw new Error("oops");
  };
  const broken = definePlugin({
    name: "broken",
    start: () => ({
      observe: { link: oops, session: oops, batch: oops, refused: oops, publishing: oops, fanOut: oops },
    }),
  });
  await using it = await lab({
    server: {
      use: [broken],
      log: {
        debug() {},
        info() {},
        warn() {},
        error: (text, fields) => void errors.push(`${text} ${String(fields?.["error"])}`),
      },
    },
  });
  const reading = take(it.client.ticks({ board: "x" }, { from: "start" }), 1);
  await it.clock.settle();
  await it.topics.ticks.publish({ board: "x" }, { sequence: 1 });
  expect(await reading).toMatchObject([{ sequence: 1 }]);
  expect(new Set(errors)).toEqual(new Set(["an observer failed Error: oops"]));
});

describe("routes of a plugin", () => {
  const route = (name: string, path: string): Plugin =>
    definePlugin({
      name,
      start: () => ({ routes: { [path]: (exchange) => exchange.reply(200, {}, new TextEncoder().encode(name)) } }),
    });

  it("answer at their paths, beside everything else", async () => {
    const app = raceway({ transports: [memoryTransport().server], use: [route("one", "/one"), route("two", "/two")] });
    app.serve(labService, handlers([], virtualClock()));
    const texts = await Promise.all(
      ["/one", "/two", "/three", "/one/more"].map(async (path) => {
        const response = await app.fetch(new Request(`http://lab${path}`));
        return response.status === 200 ? response.text() : response.status;
      }),
    );
    expect(texts).toEqual(["one", "two", 404, 404]);
    await app.close(0);
  });

  it("and in a server of the user's own", async () => {
    const server = createServer((_, response) => response.end("own"));
    const app = raceway({ transports: [memoryTransport().server], use: [route("one", "/one")] });
    await app.attach(server);
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const { port } = server.address() as { port: number };
    const text = async (path: string): Promise<string> => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
    expect([await text("/one"), await text("/other")]).toEqual(["one", "own"]);
    await app.close(0);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  it.each(["/raceway/health", "/.well-known/raceway", "/raceway/memory", "/raceway/memory/x"])(
    "may not take %s, where somebody else answers",
    async (path) => {
      const app = raceway({ transports: [memoryTransport().server], use: [route("greedy", path)] });
      const failed: unknown = await app.listen(0).catch((error: unknown) => error);
      expect(reasonOf(failed)).toBe("route_taken");
      expect(String(failed)).toContain("greedy");
    },
  );

  it("nor each other's", async () => {
    const app = raceway({ transports: [memoryTransport().server], use: [route("one", "/x"), route("two", "/x")] });
    expect(reasonOf(await app.listen(0).catch((error: unknown) => error))).toBe("route_taken");
  });
});
