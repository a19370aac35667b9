// What one principal or address may have at a time: subscriptions and connections, over all ways in together, given back in the end.
import { type RefusalEvent, type Plugin, definePlugin, memoryTransport, reasonOf, retryAfterMs } from "@raceway/core";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { limits } from "@raceway/middleware/limits";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { handlers } from "../app/lab.ts";
import { hello, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type LabClient, first, names, outcome, stage, wayNames } from "./stage.ts";

const bySession = (way: string): boolean => !way.includes("door");

/** Reads until it is aborted. Resolves with what ends it before the first message, if anything does. */
function hold(client: LabClient): { readonly began: Promise<unknown>; end(): Promise<void> } {
  const abort = new AbortController();
  const stream = client.count({ from: 1, to: 1 }, { signal: abort.signal })[Symbol.asyncIterator]();
  return {
    began: outcome(stream.next()),
    async end() {
      abort.abort();
      await outcome(stream.next());
    },
  };
}
const endless = {
  async *count(_: unknown, { signal }: { readonly signal: AbortSignal }) {
    yield { value: 1 };
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
  },
};

function refusals(): { readonly plugin: Plugin; readonly told: RefusalEvent[] } {
  const told: RefusalEvent[] = [];
  const plugin = definePlugin({
    name: "refusals",
    start: () => ({ observe: { refused: (event) => void told.push(event) } }),
  });
  return { plugin, told };
}

describe.each(wayNames)("by %s", { timeout: 30_000 }, (way) => {
  it("a principal has no more subscriptions than his share, over all his sessions, and gets them back", async () => {
    await using it = await stage({ use: [names, limits({ subscriptionsPerPrincipal: 2 })] });
    const abort = new AbortController();
    const held = ["x", "y"].map((board) => {
      const client = it.client(way, "ann"); // a session each
      return outcome(first(client.ticks({ board }, { signal: abort.signal })));
    });
    const refused = async (who: string): Promise<unknown> => {
      const trying = new AbortController();
      const reading = outcome(first(it.client(way, who).ticks({ board: "z" }, { signal: trying.signal })));
      const published = (async () => {
        for (;;) {
          await it.topics.ticks.publish({ board: "z" }, { sequence: 1 });
          if ((await Promise.race([reading.then(() => "over"), new Promise((go) => setImmediate(go))])) === "over")
            return;
        }
      })();
      const answer = await reading;
      await published;
      return reasonOf(answer) ?? answer;
    };
    await expect.poll(() => refused("ann"), { timeout: 15_000 }).toBe("share_used_up");
    expect(await refused("bob")).toBe("ok");
    abort.abort();
    await Promise.all(held);
    await expect.poll(() => refused("ann"), { timeout: 15_000 }).toBe("ok");
  });

  it("an address has no more connections than its share, and gets them back", async () => {
    const { plugin, told } = refusals();
    await using it = await stage({
      use: [names, plugin, limits({ connectionsPerAddress: 2 })],
      handlers: endless,
    });
    const held = [hold(it.client(way, "ann")), hold(it.client(way, "bob"))];
    expect(await Promise.all(held.map(({ began }) => began))).toEqual(["ok", "ok"]);
    const next = hold(it.client(way, "cid"));
    await expect.poll(() => told.map(({ error }) => reasonOf(error)), { timeout: 15_000 }).toContain("share_used_up");
    expect(retryAfterMs(told[0]!.error)).toBe(1_000);
    expect(told[0]!.error.rawMessage).toContain("2 connections of one address, the limit is 2.");
    if (bySession(way)) return await next.end(); // it goes on asking; sessions are given back below, by the clock
    expect(reasonOf(await next.began)).toBe("share_used_up");
    for (const each of held) await each.end();
    const again = async (): Promise<unknown> => {
      const last = hold(it.client(way, "cid"));
      const answer = await last.began;
      await last.end();
      return answer;
    };
    await expect.poll(again, { timeout: 15_000 }).toBe("ok");
  });
});

it("sessions and calls at native doors are counted together", { timeout: 30_000 }, async () => {
  await using it = await stage({ use: [names, limits({ connectionsPerAddress: 2 })], handlers: endless });
  const held = [hold(it.client("websocket", "ann")), hold(it.client("gRPC door", "bob"))];
  expect(await Promise.all(held.map(({ began }) => began))).toEqual(["ok", "ok"]);
  expect(reasonOf(await outcome(it.client("Connect door", "cid").peek({})))).toBe("share_used_up");
  for (const each of held) await each.end();
});

it("a session counts as long as it can be resumed, a resume does not count again, and a refused one not at all", async () => {
  const clock = virtualClock();
  const memory = memoryTransport();
  const word: Plugin = definePlugin({
    name: "word",
    after: ["limits"], // has it counted first
    start: () => ({
      session({ credential }) {
        if (credential === "wrong") throw new Error("no");
      },
    }),
  });
  const app = raceway({
    transports: [memory.server],
    clock,
    limits: { resumeMs: 10_000 },
    use: [limits({ connectionsPerAddress: 1 }), word],
  });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const answered = async (said: Parameters<typeof hello>[0]): Promise<Awaited<ReturnType<typeof rawPeer>>> => {
    const peer = await rawPeer(memory, clock);
    peer.say(hello(said));
    await clock.settle();
    return peer;
  };
  const kinds = (peer: { readonly frames: readonly { readonly kind: string }[] }): string[] =>
    peer.frames.map(({ kind }) => kind);
  for (let times = 0; times < 3; times++) expect(kinds(await answered({ credential: "wrong" }))).toEqual(["goaway"]);
  const one = await answered({});
  const { session, secret } = welcomeOf(one);
  expect(kinds(await answered({}))).toEqual(["goaway"]);
  memory.cut();
  await clock.settle();
  expect(kinds(await answered({ session, secret }))).toContain("welcome");
  memory.cut();
  await clock.advance(9_000);
  expect(kinds(await answered({}))).toEqual(["goaway"]); // it waits for its link
  await clock.advance(2_000);
  expect(kinds(await answered({}))).toContain("welcome");
  const closing = app.close(0);
  await clock.advance(100);
  await closing;
});

it.each(["connectionsPerAddress", "sessionsPerAddress"] as const)(
  "%s counts a host of IPv6 once, whichever of its addresses it takes",
  { timeout: 30_000 },
  async (name) => {
    const { plugin, told } = refusals();
    await using it = await stage({
      use: [
        names,
        plugin,
        ipFilter({ trustedProxies: ["127.0.0.1"] }),
        ...(name === "connectionsPerAddress" ? [limits({ connectionsPerAddress: 2 })] : []),
      ],
      ...(name === "sessionsPerAddress" && { limits: { sessionsPerAddress: 2 } }),
    });
    const from = async (address: string): Promise<LabClient> =>
      (await it.behind("websocket", "ann", { "x-forwarded-for": address })).client;
    for (const address of ["2001:db8:0:7::1", "2001:db8::7:1:2:3:4", "2001:db8:0:8::1"])
      expect(await outcome((await from(address)).peek({}))).toBe("ok");
    const third = new AbortController();
    const waiting = outcome((await from("2001:0db8:0:0007:ffff::9")).peek({}, { signal: third.signal }));
    await expect
      .poll(() => told.map(({ error }) => reasonOf(error)), { timeout: 15_000 })
      .toContain(name === "connectionsPerAddress" ? "share_used_up" : "too_many_sessions");
    third.abort();
    await waiting;
  },
);
