// What an operator does on one of several servers: publications reach all that have the log, removals all that have the store, about a second later.
import { createClient } from "@connectrpc/connect";
import type { Connection } from "@raceway/client";
import { type Plugin, definePlugin, reasonOf } from "@raceway/core";
import { Admin } from "@raceway/core/admin";
import { rbac } from "@raceway/middleware/rbac";
import { memory, MemoryStorage } from "@raceway/server";
import { serveAdmin } from "@raceway/server/admin";
import { describe, expect, it } from "vitest";
import { type Nodes, nodes } from "../app/nodes.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { type SharedStore, sharedStore } from "../middleware/shared-store.ts";
import { names, outcome } from "../middleware/stage.ts";
import type { Operator } from "./admin-stage.ts";

const shows = (credential: string): Plugin =>
  definePlugin({
    name: "shows",
    start: () => ({ introduce: (introduction) => void (introduction.credential = credential) }),
  });

interface Visit {
  readonly connection: Connection;
  readonly symbols: string[];
  /** How the reading of the board ended, once it has. */
  reason(): string | undefined;
}

interface Town extends AsyncDisposable {
  readonly all: Nodes;
  readonly store: SharedStore;
  readonly admin: Operator;
  visit(at: "north" | "south", who: string): Promise<Visit>;
}

/** Two servers with one log and one store; the operator is at north. */
async function town(options: { readonly apart?: boolean } = {}): Promise<Town> {
  const all = nodes();
  const storage = new MemoryStorage();
  const store = await sharedStore(all.clock);
  for (const name of ["north", "south"]) {
    const backplane = options.apart === true ? memory() : memory({ storage, store: store.part });
    const use = [names, rbac({ default: "public" })];
    await all.start(`http://${name}`, { use, backplane }, (app) =>
      serveAdmin(app, { auth: { require: { roles: ["operator"] } } }),
    );
  }
  const connect = (at: string, who: string): Connection =>
    all.connect(`http://${at}`, { use: [shows(who)], probeMs: 0 });
  return {
    all,
    store,
    admin: createClient(Admin, connect("north", "root #operator")),
    async visit(at, who) {
      const connection = connect(at, who);
      const symbols: string[] = [];
      let reason: string | undefined;
      const reading = (async () => {
        for await (const { symbol } of labClient(connection).ticks({ board: "tea" })) symbols.push(symbol);
      })();
      void outcome(reading).then((end) => (reason = reasonOf(end) ?? String(end)));
      await all.clock.advance(100);
      return { connection, symbols, reason: () => reason };
    },
    [Symbol.asyncDispose]: () => all[Symbol.asyncDispose](),
  };
}

const ADDRESS = "boards/tea/ticks";
const tick = (symbol: string): Parameters<Operator["publish"]>[0] => ({
  address: ADDRESS,
  event: { case: "binary", value: Uint8Array.from([0x0a, symbol.length, ...Buffer.from(symbol)]) },
});

describe("on two servers with one log and one store", () => {
  it("a publication is read at both, and one that comes again with its key is not made again", async () => {
    await using it = await town();
    const [here, there] = [await it.visit("north", "ann"), await it.visit("south", "bob")];
    await it.all.during(it.admin.publish(tick("one"), { headers: { "idempotency-key": "k" } }));
    const south = createClient(Admin, it.all.connect("http://south", { use: [shows("root #operator")], probeMs: 0 }));
    const again = await it.all.during(south.publish(tick("one"), { headers: { "idempotency-key": "k" } }));
    expect(again.offset).toBe(1n);
    await it.all.during(south.publish(tick("two")));
    await it.all.clock.advance(100);
    expect([here.symbols, there.symbols]).toEqual([
      ["one", "two"],
      ["one", "two"],
    ]);
  });

  it("a principal who is to stay away is out at both within two seconds, and comes in at neither until the time is over", async () => {
    await using it = await town();
    const [here, there, bob] = [
      await it.visit("north", "ann"),
      await it.visit("south", "ann"),
      await it.visit("south", "bob"),
    ];
    const answer = await it.all.during(
      it.admin.disconnect({
        whom: { case: "principal", value: "ann" },
        stayAway: { seconds: 60n, nanos: 0 },
      }),
    );
    expect(answer).toMatchObject({ sessions: 1, toldOthers: true });
    expect(here.reason()).toBe("stays_away");
    await it.all.clock.advance(2_000);
    expect([there.reason(), bob.reason()]).toEqual(["stays_away", undefined]);
    for (const at of ["north", "south"] as const) expect((await it.visit(at, "ann")).reason()).toBe("stays_away");
    await it.all.clock.advance(60_000);
    for (const at of ["north", "south"] as const) expect((await it.visit(at, "ann")).reason()).toBe(undefined);
    expect(bob.reason()).toBe(undefined);
  });

  it("who may come back does so at once, reads on where he was, and is not sent away again when the other server hears of it", async () => {
    await using it = await town();
    const there = await it.visit("south", "ann");
    const session = async (): Promise<string | undefined> => {
      const south = createClient(Admin, it.all.connect("http://south", { use: [shows("root #operator")], probeMs: 0 }));
      const { sessions } = await it.all.during(south.listSessions({ principal: "ann" }));
      return sessions[0]?.session;
    };
    const first = await session();
    await it.all.during(it.admin.disconnect({ whom: { case: "session", value: first! } }));
    const late = await it.visit("south", "ann"); // by then south may not have heard of it
    await it.all.clock.advance(5_000);
    expect(await session()).not.toBe(first);
    await it.all.during(it.admin.publish(tick("one")));
    await it.all.clock.advance(100);
    expect([there.symbols, late.symbols]).toEqual([["one"], ["one"]]);
    expect([there.reason(), late.reason()]).toEqual([undefined, undefined]);
  });

  it("a session that was opened after its principal was disconnected is not meant", async () => {
    await using it = await town();
    await it.all.during(it.admin.disconnect({ whom: { case: "principal", value: "ann" } }));
    await it.all.clock.advance(1);
    const opened = await it.visit("south", "ann"); // where nobody has heard of it yet
    const states: string[] = [];
    opened.connection.state.subscribe(({ status }) => states.push(status));
    await it.all.clock.advance(5_000);
    expect([states, opened.reason()]).toEqual([["open"], undefined]);
  });

  it("a subscription ends at both, and the sessions go on", async () => {
    await using it = await town();
    const [here, there] = [await it.visit("north", "ann"), await it.visit("south", "ann")];
    const whom = { case: "principal", value: "ann" } as const;
    const answer = await it.all.during(it.admin.unsubscribe({ whom, address: ADDRESS }));
    expect(answer).toMatchObject({ subscriptions: 1, toldOthers: true });
    await it.all.clock.advance(2_000);
    expect([here.reason(), there.reason()]).toEqual(["unsubscribed", "unsubscribed"]);
    expect([here, there].map(({ connection }) => connection.state.current.status)).toEqual(["open", "open"]);
  });

  it("the store is asked once a second for all sessions together", async () => {
    await using it = await town();
    for (let at = 0; at < 10; at++) await it.visit("south", `visitor-${at}`);
    it.store.read.length = 0;
    await it.all.clock.advance(10_000);
    expect(it.store.read.length).toBeGreaterThan(20); // north and south, the list's end and the next entry
    expect(it.store.read.length).toBeLessThan(60);
    expect(new Set(it.store.read).size).toBeLessThanOrEqual(2);
  });

  it("while the store is away nobody is told that it was done, and nobody comes in unasked", async () => {
    await using it = await town();
    await it.all.during(it.admin.count({}));
    it.store.fails = true;
    const whom = { case: "principal", value: "ann" } as const;
    const failed = await it.all.during(outcome(it.admin.disconnect({ whom, stayAway: { seconds: 60n, nanos: 0 } })));
    expect(reasonOf(failed)).toBe("store_failed");
    const refused = it.all.connect("http://south", { use: [shows("ann")], probeMs: 0 });
    await it.all.clock.advance(1_000);
    expect(reasonOf(refused.state.current.reason)).toBe("store_failed");
    it.store.fails = false;
    await it.all.clock.advance(60_000);
    expect(await it.all.during(outcome(labClient(refused).peek({})))).toBe("ok");
  });
});

it("servers that share nothing say so, and ask no store for what others say", async () => {
  await using it = await town({ apart: true });
  const [here, there] = [await it.visit("north", "ann"), await it.visit("south", "ann")];
  const answer = await it.all.during(it.admin.disconnect({ whom: { case: "principal", value: "ann" } }));
  expect(answer).toMatchObject({ sessions: 1, toldOthers: false });
  await it.all.clock.advance(5_000);
  expect(there.reason()).toBe(undefined);
  expect(here.connection.state.current.status).toBe("open");
  expect(it.store.read).toEqual([]);
});
