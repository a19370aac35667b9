// What is taken back on one server, on the others that share its store: out within two seconds, not in again, and nobody else is touched.
import type { Connection } from "@raceway/client";
import { type Plugin, Revocations, definePlugin, fail, principal, reasonOf } from "@raceway/core";
import { memory } from "@raceway/server";
import { describe, expect, it } from "vitest";
import { type Nodes, nodes } from "../app/nodes.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { sharedStore } from "./shared-store.ts";
import { outcome } from "./stage.ts";

const DAY_MS = 86_400_000;

/** Takes credentials "id issuedAt" on trust. */
function badges(): Plugin & { revoke(id: string): Promise<void> } {
  let revocations: Revocations;
  return {
    ...definePlugin({
      name: "badges",
      provides: [principal],
      start(host) {
        revocations = new Revocations(host, { name: "badges", keptMs: DAY_MS });
        return {
          async session(opening) {
            const [id = "", issuedAt = ""] = (opening.credential ?? "").split(" ");
            opening.context.set(principal, { id });
            await revocations.admit(opening, id, Number(issuedAt));
          },
          [Symbol.asyncDispose]: () => Promise.resolve(revocations[Symbol.dispose]()),
        };
      },
    }),
    revoke: (id) => revocations.revoke(id),
  };
}

const shows = (credential: string): Plugin =>
  definePlugin({
    name: "shows",
    start: () => ({ introduce: (introduction) => void (introduction.credential = credential) }),
  });

async function town(): Promise<{
  all: Nodes;
  store: Awaited<ReturnType<typeof sharedStore>>;
  /** The server of the name, and its plugin. */
  north: ReturnType<typeof badges>;
  south: ReturnType<typeof badges>;
  now(): number;
  warnings: string[];
  /** Somebody with a stream at a server: how it ended, once it has. */
  visit(at: "north" | "south", credential: string): Promise<{ reason(): string | undefined; connection: Connection }>;
  [Symbol.asyncDispose](): Promise<void>;
}> {
  const all = nodes();
  const store = await sharedStore(all.clock);
  const [north, south] = [badges(), badges()];
  const warnings: string[] = [];
  const log = { debug() {}, info() {}, error() {}, warn: (message: string) => void warnings.push(message) };
  for (const [name, plugin] of Object.entries({ north, south }))
    await all.start(`http://${name}`, { use: [plugin], backplane: memory({ store: store.part }), log });
  return {
    all,
    store,
    north,
    south,
    warnings,
    now: () => all.clock.wallNow(),
    async visit(at, credential) {
      const connection = all.connect(`http://${at}`, { use: [shows(credential)], probeMs: 0 });
      let reason: string | undefined;
      void outcome(labClient(connection).echo({ text: credential, delayMs: 3_600_000 })).then(
        (error) => (reason = error === "ok" ? "ok" : (reasonOf(error) ?? String(error))),
      );
      await all.clock.settle();
      return { reason: () => reason, connection };
    },
    async [Symbol.asyncDispose]() {
      const closing = all[Symbol.asyncDispose]();
      await all.clock.advance(100);
      await closing;
      store[Symbol.dispose]();
    },
  };
}

describe("a revocation", () => {
  it("ends sessions on its own server at once, on another within two seconds, and those of nobody else", async () => {
    await using it = await town();
    const old = it.now() - 1_000;
    const here = await it.visit("north", `ann ${old}`);
    const there = await it.visit("south", `ann ${old}`);
    const others = [await it.visit("north", `bob ${old}`), await it.visit("south", `bob ${old}`)];
    await it.north.revoke("ann");
    await it.all.clock.settle();
    expect([here.reason(), there.reason()]).toEqual(["credential_revoked", undefined]);
    await it.all.clock.advance(2_000);
    expect(there.reason()).toBe("credential_revoked");
    expect(others.map(({ reason }) => reason())).toEqual([undefined, undefined]);
    for (const at of ["north", "south"] as const)
      expect((await it.visit(at, `ann ${old}`)).reason()).toBe("credential_revoked");
  });

  it("does not end who signed in again since, on another server, before it has heard of it", async () => {
    await using it = await town();
    const before = await it.visit("south", `ann ${it.now() - 1_000}`);
    await it.north.revoke("ann");
    await it.all.clock.advance(100);
    const after = await it.visit("south", `ann ${it.now()}`);
    await it.all.clock.advance(5_000);
    expect([before.reason(), after.reason()]).toEqual(["credential_revoked", undefined]);
  });

  it("refuses a session elsewhere that comes back over another link, before it was ended", async () => {
    await using it = await town();
    const there = await it.visit("south", `ann ${it.now() - 1_000}`);
    await it.north.revoke("ann");
    it.all.lives("http://south")[0]!.cut();
    await it.all.clock.advance(500);
    expect(there.reason()).toBe("credential_revoked");
  });

  it("is heard of, however many are made on all servers at once", async () => {
    await using it = await town();
    const old = it.now() - 1_000;
    const ids = Array.from({ length: 12 }, (_, at) => `user-${at}`);
    const guests = await Promise.all(
      ids.flatMap((id) => [it.visit("north", `${id} ${old}`), it.visit("south", `${id} ${old}`)]),
    );
    await Promise.all(ids.map((id, at) => (at % 2 === 0 ? it.north : it.south).revoke(id)));
    await it.all.clock.advance(2_000);
    expect(new Set(guests.map(({ reason }) => reason()))).toEqual(new Set(["credential_revoked"]));
  });

  it("is heard of by a server that has heard nothing for longer than any is remembered", async () => {
    await using it = await town();
    const first = await it.visit("north", `ann ${it.now() - 1_000}`);
    const second = await it.visit("north", `bob ${it.now() - 1_000}`);
    await it.south.revoke("ann");
    await it.all.clock.advance(2_000);
    expect(first.reason()).toBe("credential_revoked");
    await it.all.clock.leap(3 * DAY_MS);
    await it.all.clock.advance(30_000);
    const third = await it.visit("north", `cid ${it.now() - 1_000}`);
    await it.south.revoke("cid");
    await it.all.clock.advance(2_000);
    expect(third.reason()).toBe("credential_revoked");
    expect(second.reason()).not.toBe("credential_revoked");
  });

  it("during an outage of the store is heard of after it, and the log says once that it is away", async () => {
    await using it = await town();
    const there = await it.visit("south", `ann ${it.now() - 1_000}`);
    it.store.fails = true;
    expect(reasonOf(await outcome(it.north.revoke("ann")))).toBe("store_failed");
    await it.all.clock.advance(5_000);
    expect(it.warnings).toEqual(["what other servers say is not known"]);
    expect(there.reason()).toBeUndefined();
    it.store.fails = false;
    await it.north.revoke("ann");
    await it.all.clock.advance(2_000);
    expect(there.reason()).toBe("credential_revoked");
  });
});

describe("the store", () => {
  it("is asked twice a second per server that has sessions, however many, and not at all by one that has none", async () => {
    await using it = await town();
    await it.all.clock.advance(10_000);
    expect(it.store.read).toEqual([]);
    const guests = await Promise.all(
      Array.from({ length: 20 }, (_, at) => it.visit("north", `user-${at} ${it.now()}`)),
    );
    await it.all.clock.advance(1_100);
    it.store.read.length = 0;
    await it.all.clock.advance(10_000);
    expect(it.store.read.length).toBeGreaterThan(16);
    expect(it.store.read.length).toBeLessThan(24);
    for (const { connection } of guests) await it.all.during(connection.close());
    await it.all.clock.advance(2_000);
    it.store.read.length = 0;
    await it.all.clock.advance(10_000);
    expect(it.store.read).toEqual([]);
  });

  it("is not asked about sessions that other plugins refused", async () => {
    await using all = nodes();
    using store = await sharedStore(all.clock);
    const refuses = definePlugin({
      name: "refuses",
      requires: [principal],
      start: () => ({
        session() {
          throw fail("credential_invalid", { detail: "the house is full" });
        },
      }),
    });
    await all.start("http://full", { use: [badges(), refuses], backplane: memory({ store: store.part }) });
    const connection = all.connect("http://full", { use: [shows("ann 1")], probeMs: 0 });
    expect(reasonOf(await all.during(outcome(labClient(connection).echo({ text: "x" }))))).toBe("credential_invalid");
    await all.clock.advance(2_000);
    store.read.length = 0;
    await all.clock.advance(10_000);
    expect(store.read).toEqual([]);
    await all.during(connection.close());
  });
});
