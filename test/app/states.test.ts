// What a user interface sees of a connection: each event, and the snapshots that follow from it.
import { type ConnectOptions, type Connection, type ConnectionSnapshot, connect } from "@raceway/client";
import { type Reason, fail, memoryTransport, reasonOf } from "@raceway/core";
import { type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Gate, gate } from "./gate.ts";
import { handlers } from "./lab.ts";

interface Seen {
  readonly clock: VirtualClock;
  readonly connection: Connection;
  readonly best: Gate;
  readonly second: Gate;
  readonly app: Raceway;
  cut(): void;
  serve(options?: Partial<RacewayOptions>): Promise<Raceway>;
}

/** "status transport reason", and "…" if the next attempt has a time. */
function said({ status, transport, endpoint, reason, nextAttemptAt }: ConnectionSnapshot): string {
  expect(endpoint === undefined).toBe(transport === undefined);
  const why: Reason | undefined = reasonOf(reason);
  return [status, transport ?? "-", why ?? "-", ...(nextAttemptAt === undefined ? [] : ["…"])].join(" ");
}

async function watched(
  run: (seen: Seen) => Promise<void>,
  client: Partial<ConnectOptions> = {},
  before: (best: Gate, second: Gate) => void = () => {},
  server: Partial<RacewayOptions> = {},
): Promise<{ readonly states: string[]; readonly snapshots: readonly ConnectionSnapshot[] }> {
  const clock = virtualClock();
  const halves = [memoryTransport({ transport: "best" }), memoryTransport({ transport: "second" })] as const;
  const apps: Raceway[] = [];
  const serve = async (options: Partial<RacewayOptions> = {}): Promise<Raceway> => {
    const made = raceway({ transports: halves.map((half) => half.server), clock, ...options });
    made.serve(labService, handlers([], clock));
    await made.listen({ port: 0, host: "127.0.0.1" });
    apps.push(made);
    return made;
  };
  const app = await serve(server);
  const [best, second] = [gate(halves[0].client), gate(halves[1].client)];
  before(best, second);
  await using connection = connect("http://lab", {
    transports: [best.transport, second.transport],
    clock,
    probeMs: 0,
    ...client,
  });
  const snapshots: ConnectionSnapshot[] = [];
  connection.state.subscribe((snapshot) => snapshots.push(snapshot));
  await clock.settle();
  await run({ clock, connection, best, second, app, serve, cut: () => halves.forEach((half) => half.cut()) });
  const states: string[] = [];
  for (const state of snapshots.map(said)) if (states.at(-1) !== state) states.push(state);
  await connection.close();
  for (const made of apps) await made.close(0);
  return { states, snapshots };
}

it("connects, and is closed by its owner", async () => {
  const { states } = await watched(async ({ connection }) => connection.close());
  expect(states).toEqual(["connecting - -", "open best -", "closed - -"]);
});

it("falls back: no state of its own", async () => {
  const { states } = await watched(
    async () => {},
    {},
    (best) => {
      best.shut = true;
    },
  );
  expect(states).toEqual(["connecting - -", "open second -"]);
});

it("cannot connect, says why and when it tries again, and connects", async () => {
  const { states, snapshots } = await watched(
    async ({ clock, best }) => {
      best.shut = false;
      await clock.advance(300);
    },
    {},
    (best, second) => {
      best.shut = true;
      second.shut = true;
    },
  );
  expect(states).toEqual(["connecting - -", "offline - no_transport …", "connecting - no_transport", "open best -"]);
  const waits = snapshots.flatMap(({ nextAttemptAt }) => (nextAttemptAt === undefined ? [] : [nextAttemptAt]));
  expect(waits).toHaveLength(1);
  expect(waits[0]! - 1_700_000_001_000).toBeLessThanOrEqual(200);
});

it("loses its link, waits a moment, and resumes", async () => {
  const { states } = await watched(async ({ clock, cut }) => {
    cut();
    await clock.advance(300);
  });
  expect(states).toEqual([
    "connecting - -",
    "open best -",
    "resuming - link_closed …",
    "resuming - link_closed",
    "open best -",
  ]);
});

it("loses its link and finds no other", async () => {
  const { states } = await watched(async ({ clock, best, second, cut }) => {
    best.shut = second.shut = true;
    cut();
    await clock.advance(210);
  });
  expect(states.slice(0, 5)).toEqual([
    "connecting - -",
    "open best -",
    "resuming - link_closed …",
    "resuming - link_closed",
    "offline - no_transport …",
  ]);
});

it("switches, and stays where it is if that fails", async () => {
  const { states } = await watched(async ({ connection, second }) => {
    await connection.switchTo("second");
    await connection.switchTo("best");
    second.shut = true;
    await connection.switchTo("second").catch(() => {});
  });
  expect(states).toEqual([
    "connecting - -",
    "open best -",
    "switching best -",
    "open second -",
    "switching second -",
    "open best -",
    "switching best -",
    "open best -",
  ]);
});

it("is sent to another server: it is never without one", async () => {
  const { states } = await watched(async ({ clock, app, serve }) => {
    await serve(); // the next process at the same address
    const draining = app.drain({ drainMs: 2_000, spreadMs: 0 });
    await clock.advance(3_000);
    await draining;
  });
  expect(states).toEqual([
    "connecting - -",
    "open best -",
    "open best draining",
    "switching best draining",
    "open best -",
  ]);
});

it("its server goes down, and another comes", async () => {
  const { states } = await watched(async ({ clock, app, serve }) => {
    const closing = app.close(0);
    await clock.advance(20);
    await closing;
    await serve();
    await clock.advance(2_000);
  });
  expect(states[0]).toBe("connecting - -");
  expect(states).toContain("resuming - draining …");
  expect(states.at(-1)).toBe("open best -");
});

it("is refused: stays offline without a next attempt, until the next call", async () => {
  let open = false;
  const { states } = await watched(
    async ({ clock, connection }) => {
      open = true;
      await clock.advance(600_000);
      await labClient(connection).echo({ text: "x" });
    },
    {},
    () => {},
    {
      use: [
        {
          name: "closed",
          contract: 1,
          start: () => ({
            session() {
              if (!open) throw fail("resume_refused");
            },
          }),
        },
      ],
    },
  );
  expect(states).toEqual(["connecting - -", "offline - resume_refused", "connecting - resume_refused", "open best -"]);
});

it("tells the round trip, again and again", async () => {
  const { snapshots } = await watched(async ({ clock }) => clock.advance(20_000));
  expect(snapshots.at(-1)?.roundTripMs).toBe(0);
});

it("fits useSyncExternalStore: one snapshot until something changes, no call after the end, listeners that throw harm nobody", async () => {
  await watched(async ({ clock, connection, cut }) => {
    // What React does: subscribe with a callback, compare snapshots by identity.
    let renders = 0;
    const getSnapshot = (): ConnectionSnapshot => connection.state.current;
    const unsubscribe = connection.state.subscribe(() => renders++);
    const throwing = connection.state.subscribe(({ status }) => {
      if (status === "resuming") throw new Error("of a listener");
    });
    const first = getSnapshot();
    expect(getSnapshot()).toBe(first);
    expect(renders).toBe(1);
    cut();
    await clock.advance(500);
    expect(getSnapshot()).not.toBe(first);
    expect(first.status).toBe("open"); // a snapshot is never changed
    expect(renders).toBeGreaterThan(2);
    const before = renders;
    unsubscribe();
    throwing();
    cut();
    await clock.advance(500);
    expect(renders).toBe(before);
  });
});
