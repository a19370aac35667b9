// A connection with several servers: which one it takes, where it goes when that one fails, and what becomes of its session.
import { type ConnectionSnapshot, type Endpoints, leastLatency, rendezvous, roundRobin } from "@raceway/client";
import { fail, reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { take } from "../app/lab.ts";
import { nodes } from "../app/nodes.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";

const A = "http://a.example";
const B = "http://b.example";
const C = "http://c.example";

describe("a plain list", () => {
  it("takes the first that works", async () => {
    await using it = nodes();
    await it.start(B);
    await it.start(C);
    const connection = it.connect([A, B, C]);
    await it.clock.settle();
    expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
    expect(it.asked).toEqual([A, B]);
  });

  it("joins the next to the race after a quarter of a second, when the first says nothing", async () => {
    await using it = nodes();
    const a = await it.start(A);
    await it.start(B);
    a.mute();
    const connection = it.connect([A, B]);
    await it.clock.advance(200);
    expect(connection.state.current.status).toBe("connecting");
    await it.clock.advance(100);
    expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
  });

  it("resumes on its own server after a cut, though others are there", async () => {
    await using it = nodes();
    const a = await it.start(A);
    const b = await it.start(B);
    const client = labClient(it.connect([A, B]));
    const slow = client.echo({ text: "slow", delayMs: 2_000 });
    await it.clock.settle();
    a.cut();
    expect((await it.during(slow)).text).toBe("slow");
    expect(a.app.sessions).toBe(1);
    expect(b.app.sessions).toBe(0);
    expect(it.calls.filter((call) => call === "echo slow")).toHaveLength(1);
  });

  it("goes elsewhere when its server is down: what may be repeated is, topics go on, the rest ends with session_lost", async () => {
    await using it = nodes();
    const a = await it.start(A);
    const b = await it.start(B);
    const connection = it.connect([A, B]);
    const client = labClient(connection);
    const ticks = take(client.ticks({ board: "x" }, { from: "start" }), 4);
    for (const sequence of [1, 2]) await a.topics.ticks.publish({ board: "x" }, { sequence });
    const once = client.echo({ text: "once", delayMs: 60_000 }).catch((error: unknown) => reasonOf(error));
    await it.clock.settle();
    a.down();
    const again = client.add({ a: 1, b: 2 }); // made while there is no link
    for (const sequence of [3, 4]) await b.topics.ticks.publish({ board: "x" }, { sequence });
    await it.clock.advance(1_000);
    expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
    expect((await again).sum).toBe(3);
    expect(await once).toBe("session_lost");
    expect((await ticks).map(({ sequence }) => sequence)).toEqual([1, 2, 3, 4]);
  });

  it("waits two seconds for its own server when that one says nothing: a session is worth more", async () => {
    await using it = nodes();
    const a = await it.start(A);
    await it.start(B);
    const connection = it.connect([A, B]);
    await it.clock.settle();
    a.mute();
    a.cut();
    await it.clock.advance(1_900);
    expect(connection.state.current.status).toBe("resuming");
    await it.clock.advance(600);
    expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
  });

  it("keeps its session if its own server comes back while the others are down, too", async () => {
    await using it = nodes();
    const a = await it.start(A);
    const connection = it.connect([A, B]);
    const client = labClient(connection);
    const slow = client.echo({ text: "slow", delayMs: 5_000 });
    await it.clock.settle();
    a.down();
    await it.clock.advance(3_000);
    expect(["resuming", "offline"]).toContain(connection.state.current.status);
    a.up();
    expect((await it.during(slow)).text).toBe("slow");
    expect(it.calls.filter((call) => call === "echo slow")).toHaveLength(1);
  });

  it("a server that fails is put last for a while, longer each time", async () => {
    await using it = nodes();
    await it.start(B);
    const first = it.connect([A, B]);
    await it.clock.settle();
    expect(it.asked).toEqual([A, B]);
    // Its session ends again and again; each time it looks for a server anew.
    const tries: boolean[] = [];
    for (let round = 0; round < 30; round++) {
      await labClient(first).echo({ text: "useful" });
      await it.clock.advance(12_000);
      it.asked.length = 0;
      const b = await it.start(B); // another process: the session is gone
      it.lives(B).at(-2)?.cut();
      await it.clock.advance(2_000);
      expect(first.state.current).toMatchObject({ status: "open", endpoint: B });
      tries.push(it.asked.includes(A));
      expect(b.app.sessions).toBe(1);
    }
    const asked = tries.filter(Boolean).length;
    expect(asked).toBeGreaterThan(0);
    expect(asked).toBeLessThan(10);
    expect(tries.slice(15).filter(Boolean).length).toBeLessThanOrEqual(tries.slice(0, 15).filter(Boolean).length);
  });

  it("a final refusal by one is not asked of the others", async () => {
    await using it = nodes();
    const refuse = {
      name: "no",
      contract: 1 as const,
      start: () => ({
        session() {
          throw fail("resume_refused");
        },
      }),
    };
    await it.start(A, { use: [refuse] });
    await it.start(B);
    const connection = it.connect([A, B]);
    await expect(it.during(labClient(connection).echo({ text: "x" }))).rejects.toMatchObject({ code: 16 });
    expect(connection.state.current.status).toBe("offline");
    expect(new Set(it.asked)).toEqual(new Set([A]));
  });

  it("a server that is full sends clients to the next", async () => {
    await using it = nodes();
    await it.start(A, { limits: { sessionsPerAddress: 1 } });
    await it.start(B);
    it.connect([A, B]);
    await it.clock.settle();
    const second = it.connect([A, B]);
    await it.clock.settle();
    expect(second.state.current).toMatchObject({ status: "open", endpoint: B });
  });
});

describe("policies", () => {
  it("round robin spreads the sessions of many clients", async () => {
    await using it = nodes();
    const all = [await it.start(A), await it.start(B), await it.start(C)];
    for (let client = 0; client < 90; client++) it.connect(roundRobin([A, B, C]));
    await it.clock.settle();
    for (const { app } of all) expect(app.sessions).toBeGreaterThan(12);
  });

  it("rendezvous hashing: clients with one key meet on one server, and meet again on another when it goes", async () => {
    await using it = nodes();
    const all = new Map([A, B, C].map((url) => [url, undefined as Awaited<ReturnType<typeof it.start>> | undefined]));
    for (const url of all.keys()) all.set(url, await it.start(url));
    const connections = Array.from({ length: 5 }, () => it.connect(rendezvous([A, B, C], { key: "room-7" })));
    await it.clock.settle();
    const where = (): Set<string | undefined> => new Set(connections.map(({ state }) => state.current.endpoint));
    const [home] = where();
    expect(where().size).toBe(1);
    all.get(home!)?.down();
    await it.clock.advance(2_000);
    expect(where().size).toBe(1);
    expect(where()).not.toContain(home);
  });

  it("least latency is told of round trips", async () => {
    await using it = nodes();
    const a = await it.start(A);
    await it.start(B);
    const policy = leastLatency([A, B], { explore: 0 });
    const told: string[] = [];
    const listening: Endpoints = {
      start(host) {
        const started = policy.start(host);
        return {
          ...started,
          roundTrip(url, ms) {
            told.push(url);
            started.roundTrip?.(url, ms);
          },
        };
      },
    };
    const connection = it.connect(listening);
    await it.clock.advance(1_000);
    expect(told).toEqual([A]);
    a.down(); // now the other is measured, too
    await it.clock.advance(2_000);
    expect(connection.state.current.endpoint).toBe(B);
    expect(told).toContain(B);
  });

  it("a discovery that fails is asked again, and calls wait", async () => {
    await using it = nodes();
    await it.start(A);
    let works = false;
    const connection = it.connect({
      start: () => ({ list: () => (works ? [A] : Promise.reject(new Error("not found"))) }),
    });
    const call = labClient(connection).echo({ text: "patient" });
    await it.clock.advance(3_000);
    expect(connection.state.current).toMatchObject({ status: "offline" } satisfies Partial<ConnectionSnapshot>);
    works = true;
    expect((await it.during(call)).text).toBe("patient");
  });

  it("is disposed with the connection", async () => {
    await using it = nodes();
    let disposed = 0;
    const connection = it.connect({ start: () => ({ list: () => [A], [Symbol.dispose]: () => void disposed++ }) });
    await connection.close();
    expect(disposed).toBe(1);
  });
});
