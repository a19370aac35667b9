// Why plugins stand where they stand, and what a list of them comes to.
import { createContextKey } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { batchStation } from "./batch-station.ts";
import { batchWindow } from "./batch-window.ts";
import { systemClock } from "./clock-system.ts";
import { reasonOf } from "./errors.ts";
import { type Host, silentLogger } from "./part.ts";
import { explainOrder, inspectPlugins } from "./plugin-inspect.ts";
import { orderPlugins } from "./plugin-order.ts";
import { type ChannelInfo, type Plugin, type PluginList, definePlugin } from "./plugin.ts";
import { systemRandom } from "./random.ts";

const who = createContextKey("", { description: "who" });
const plugin = (name: string, more: Partial<Plugin> = {}): Plugin => definePlugin({ name, start: () => ({}), ...more });
const told = (list: PluginList): string[] =>
  explainOrder(list).map((placed) => `${placed.plugin.name}: ${placed.why.join("; ")}`);

describe("the order, explained,", () => {
  it("is the list's where nothing else was said", () => {
    expect(told([plugin("a"), [plugin("b"), false]])).toEqual(["a: as listed", "b: as listed"]);
    expect(told([])).toEqual([]);
  });

  it("names the key that one provides and another requires, and what was moved up for it", () => {
    expect(told([plugin("limit", { requires: [who] }), plugin("log"), plugin("token", { provides: [who] })])).toEqual([
      'token: before limit, which requires "who"',
      'limit: after token, which provides "who"',
      "log: as listed",
    ]);
    expect(told([plugin("token", { provides: [who] }), plugin("limit", { requires: [who] })])).toEqual([
      "token: as listed",
      'limit: after token, which provides "who"',
    ]);
  });

  it("names who asked for before and after", () => {
    expect(told([plugin("a", { after: ["c"] }), plugin("b"), plugin("c")])).toEqual([
      "c: before a, which asks to run after it",
      "a: after c, as it asks itself",
      "b: as listed",
    ]);
    expect(told([plugin("a"), plugin("c", { before: ["a"] })])).toEqual([
      "c: before a, as it asks itself",
      "a: after c, which asks to run before it",
    ]);
  });

  it("is always the order that hosts use, and gives a reason for each", () => {
    const lists = fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { maxLength: 12 }).chain((specs) => {
      const plugins = specs.map((after, at) =>
        plugin(String(at), { after: after.filter((other) => other < at).map(String) }),
      );
      return fc.shuffledSubarray(plugins, { minLength: plugins.length });
    });
    fc.assert(
      fc.property(lists, (list) => {
        const placed = explainOrder(list);
        expect(placed.map((each) => each.plugin)).toEqual(orderPlugins(list));
        for (const { why } of placed) expect(why.length).toBeGreaterThan(0);
        for (const [at, { plugin: moved, why }] of placed.entries()) {
          const jumped = placed.slice(at + 1).some((other) => list.indexOf(other.plugin) < list.indexOf(moved));
          if (jumped) expect(why).not.toEqual(["as listed"]);
        }
      }),
    );
  });

  it("fails as the host does", () => {
    expect(() => explainOrder([plugin("a"), plugin("a")])).toThrow("configured twice");
  });
});

describe("an inspection", () => {
  const host = (side: Host["side"]): Host => ({
    side,
    clock: systemClock(),
    random: systemRandom,
    log: silentLogger,
    store: {} as never, // these plugins keep nothing
    draining: new AbortController().signal,
  });
  const channel = (path: string, kind: "call" | "topic"): ChannelInfo => ({ path, contract: { kind } }) as ChannelInfo;
  const channels = [channel("/a/Call", "call"), channel("/a/Topic", "topic")];

  it("starts plugins, asks each about each channel once, and ends them", async () => {
    const seen: string[] = [];
    const busy = plugin("busy", {
      start: () => ({
        call: ({ path }) => (seen.push(`call ${path}`), path === "/a/Call" ? (next) => next : undefined),
        topic: ({ path }) => (seen.push(`topic ${path}`), { publish: () => undefined }),
        ready: () => void seen.push("ready"),
        [Symbol.asyncDispose]: async () => void seen.push("ended"),
      }),
    });
    const { channels: told } = await inspectPlugins([busy], channels, host("server"));
    expect(seen).toEqual(["call /a/Call", "call /a/Topic", "topic /a/Topic", "ready", "ended"]);
    expect(told).toEqual([
      {
        path: "/a/Call",
        kind: "call",
        stations: { call: ["busy"] },
        absent: [],
        coders: [],
        window: undefined,
        findings: [],
      },
      {
        path: "/a/Topic",
        kind: "topic",
        stations: { publish: ["busy"] },
        absent: [{ plugin: "busy", station: "call" }],
        coders: [],
        window: undefined,
        findings: [],
      },
    ]);
  });

  it("tells what would stop the start, of all channels, and goes on", async () => {
    const strict = plugin("strict", {
      check: ({ path }) => [{ severity: "error", message: `${path} is not mine`, mend: "take it away" }],
      start: () => ({
        ready() {
          throw new Error("a rule is for nobody");
        },
      }),
    });
    const { channels: told, problems } = await inspectPlugins([strict], channels, host("server"));
    expect(told.map(({ findings }) => findings.map(({ message }) => message))).toEqual([
      ["/a/Call is not mine"],
      ["/a/Topic is not mine"],
    ]);
    expect(problems).toEqual(["strict: a rule is for nobody"]);
  });

  it("says who codes for whom, and why, and who says how long messages wait", async () => {
    const coder = (name: string, share: boolean): Plugin =>
      plugin(name, {
        start: () => ({
          batch: batchStation({
            wireNames: [`${name}-1`, `${name}-2`],
            open: () => ({ encode: () => undefined, decode: (bytes) => bytes }),
            ...(share && { share: () => ({ dictionary: undefined, encode: () => undefined }) }),
          }),
        }),
      });
    const waits = (name: string, windowMs: number): Plugin =>
      plugin(name, {
        start: () => ({
          window: ({ contract }) =>
            contract.kind === "topic" ? batchWindow({ windowMs, maxMessages: 9, maxBytes: 99 }) : undefined,
        }),
      });
    const list = [coder("zip", true), coder("seal", true), coder("lone", false), waits("short", 5), waits("long", 50)];
    const [call, topic] = (await inspectPlugins(list, channels, host("server"))).channels;
    expect(call!.coders.map(({ plugin: name, per }) => `${name} per ${per}`)).toEqual([
      "zip per link",
      "seal per link",
      "lone per link",
    ]);
    expect(call!.window).toBeUndefined();
    expect(call!.absent).toEqual([
      { plugin: "short", station: "window" },
      { plugin: "long", station: "window" },
    ]);
    expect(topic!.coders).toEqual([
      {
        plugin: "zip",
        wireNames: ["zip-1", "zip-2"],
        per: "topic",
        why: "it is the first coder, and codes once for all subscribers",
      },
      {
        plugin: "seal",
        wireNames: ["seal-1", "seal-2"],
        per: "link",
        why: "only the first coder codes for all, and that is zip",
      },
      { plugin: "lone", wireNames: ["lone-1", "lone-2"], per: "link", why: "it cannot code for many at once" },
    ]);
    expect(topic!.window).toEqual({ plugin: "short", windowMs: 5, maxMessages: 9, maxBytes: 99, unheard: ["long"] });
    const [, here] = (await inspectPlugins(list, channels, host("client"))).channels;
    expect(here!.coders.map(({ per }) => per)).toEqual(["link", "link", "link"]);
  });

  it("of a client has no gates, and says who introduces it", async () => {
    const both = plugin("both", {
      start: () => ({
        introduce: () => undefined,
        session: () => undefined,
        topic: () => ({ publish: () => undefined }),
      }),
    });
    const told = await inspectPlugins([both], channels, host("client"));
    expect(told).toMatchObject({ side: "client", introduce: ["both"], session: [] });
    expect(told.channels.map(({ stations }) => stations)).toEqual([{}, {}]);
  });

  it("rejects with what a start fails with", async () => {
    const twice = inspectPlugins([plugin("a"), plugin("a")], [], host("server"));
    expect(reasonOf(await twice.catch((error: unknown) => error))).toBe("plugin_twice");
    const broken = plugin("broken", { start: () => Promise.reject(new Error("no key file")) });
    await expect(inspectPlugins([broken], [], host("server"))).rejects.toThrow("no key file");
  });
});
