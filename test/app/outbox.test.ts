// The outbox, by the pains of others: floods on return, the first message sent again and again, calls that failed and are sent all the same.
import { Code, ConnectError } from "@connectrpc/connect";
import { type ConnectOptions, type Connection, connect } from "@raceway/client";
import { memoryTransport, reasonOf } from "@raceway/core";
import { type Raceway, type RacewayOptions, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Gate, gate } from "./gate.ts";
import { from, handlers, take } from "./lab.ts";

interface Yard extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly gate: Gate;
  readonly app: Raceway;
  readonly connection: Connection;
  readonly client: LabClient;
  /** What handlers were asked, in order. */
  readonly calls: readonly string[];
  cut(): void;
}

const MINUTE = 60_000;

/** A server, and a client that has not reached it yet: the gate is shut. */
async function yard(
  options: Partial<ConnectOptions> = {},
  server: Partial<RacewayOptions> = {},
  shut = true,
): Promise<Yard> {
  const clock = virtualClock();
  const memory = memoryTransport();
  const calls: string[] = [];
  const app = raceway({ transports: [memory.server], clock, ...server });
  app.serve(labService, handlers(calls, clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const door = gate(memory.client, shut);
  const connection = connect("http://lab", { transports: [door.transport], clock, ...options });
  await clock.settle();
  return {
    clock,
    gate: door,
    app,
    connection,
    client: labClient(connection),
    get calls() {
      return calls.filter((call) => !call.startsWith("over"));
    },
    cut: () => memory.cut(),
    async [Symbol.asyncDispose]() {
      await connection.close();
      await app.close(0);
    },
  };
}

/** How a call ended: what it gave, or its reason. */
const outcome = (call: Promise<{ text: string }>): Promise<string> =>
  call.then(
    ({ text }) => text,
    (error: unknown) => `! ${reasonOf(error)}`,
  );

async function reopen({ gate: door, clock }: Yard): Promise<void> {
  door.shut = false;
  await clock.advance(31_000); // the longest backoff
}

describe("after thirty minutes offline", () => {
  it("thousands of calls have cost no more than the outbox holds; each that was kept is sent once, expired ones are gone with their reason, and there is no flood", async () => {
    await using it = await yard({ limits: { outboxMessages: 1_000, outboxBytes: 100_000 } });
    const outcomes: Promise<string>[] = [];
    let most = 0;
    let mostBytes = 0;
    it.connection.outbox.subscribe(({ count, bytes }) => {
      most = Math.max(most, count);
      mostBytes = Math.max(mostBytes, bytes);
    });
    for (let second = 0; second < 1_800; second++) {
      // One that may wait for ever, one that may not.
      outcomes.push(outcome(it.client.echo({ text: `patient ${second}` })));
      outcomes.push(outcome(it.client.echo({ text: `hasty ${second}` }, { timeoutMs: 60_000 })));
      await it.clock.advance(1_000);
    }
    expect(it.calls).toEqual([]);
    expect(most).toBe(1_000);
    expect(mostBytes).toBeLessThanOrEqual(100_000);
    it.gate.batches.length = 0;
    await reopen(it);
    const ended = await Promise.all(outcomes);
    const answered = ended.filter((text) => !text.startsWith("!"));
    expect(answered.length).toBeGreaterThan(900);
    expect(it.calls).toEqual(answered.map((text) => `echo ${text}`)); // in order, each once
    expect(new Set(ended.filter((text) => text.startsWith("!")))).toEqual(
      new Set(["! call_deadline", "! outbox_full"]),
    );
    expect(ended.filter((text) => text === "! call_deadline").length).toBeGreaterThan(500);
    expect(Math.max(...it.gate.batches)).toBeLessThanOrEqual(64);
    expect(it.connection.outbox.current).toEqual({ count: 0, bytes: 0 });
    expect(it.clock.timers).toBeLessThan(20); // none is left of 1,800 deadlines
  }, 60_000);

  it("no more calls are in flight than a server takes at once, however slow it is", async () => {
    await using it = await yard();
    const outcomes = Array.from({ length: 500 }, (_, at) =>
      outcome(it.client.echo({ text: String(at), delayMs: 1_000 })),
    );
    await reopen(it);
    expect(it.calls.length).toBeGreaterThanOrEqual(128);
    await it.clock.advance(20_000);
    expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 500 }, (_, at) => String(at)));
  });

  it("what is called while the outbox empties goes behind what waited", async () => {
    await using it = await yard();
    const waiting = Array.from({ length: 200 }, (_, at) => outcome(it.client.echo({ text: String(at) })));
    let late: Promise<string> | undefined;
    it.connection.state.subscribe(({ status }) => {
      if (status === "open") late = outcome(it.client.echo({ text: "late" }));
    });
    await reopen(it);
    await Promise.all(waiting);
    expect(await late).toBe("late");
    expect(it.calls.at(-1)).toBe("echo late");
  });
});

describe("the first message", () => {
  it("is sent once after fifty attempts to connect", async () => {
    await using it = await yard({ backoff: { firstMs: 100, capMs: 1_000 } });
    const first = outcome(it.client.echo({ text: "first" }));
    while (it.gate.attempts < 50) await it.clock.advance(1_000);
    await reopen(it);
    expect(await first).toBe("first");
    expect(it.calls).toEqual(["echo first"]);
  });

  it("is sent once over fifty links that die under it", async () => {
    await using it = await yard({ backoff: { firstMs: 100, capMs: 1_000 } }, {}, false);
    const first = outcome(it.client.echo({ text: "first", delayMs: 10 * MINUTE }));
    for (let cut = 0; cut < 50; cut++) {
      it.cut();
      await it.clock.advance(2_000);
      expect(it.connection.state.current.status).toBe("open");
    }
    await it.clock.advance(10 * MINUTE);
    expect(await first).toBe("first");
    expect(it.calls).toEqual(["echo first"]);
  });

  it("is opened again exactly once when the session is lost before any link took it", async () => {
    await using it = await yard({}, { limits: { resumeMs: 1_000 } }, false);
    await it.clock.settle();
    it.gate.shut = true;
    it.cut();
    const calls = ["a", "b", "c"].map((text) => outcome(it.client.echo({ text })));
    const sum = it.client.sum(from([{ value: 1 }, { value: 2 }]));
    await it.clock.advance(MINUTE);
    await reopen(it);
    expect(await Promise.all(calls)).toEqual(["a", "b", "c"]);
    expect((await sum).sum).toBe(3);
    expect(it.calls).toEqual(["echo a", "echo b", "echo c", "sum 3"]);
  });
});

describe("a call that failed is never sent", () => {
  it("by its deadline, by its signal, by the outbox's end", async () => {
    await using it = await yard();
    const aborter = new AbortController();
    const expired = outcome(it.client.echo({ text: "expired" }, { timeoutMs: 5_000 }));
    const aborted = outcome(it.client.echo({ text: "aborted" }, { signal: aborter.signal }));
    const stream = take(it.client.count({ from: 7, to: 9 }, { timeoutMs: 5_000 }), 3).catch(reasonOf);
    const good = outcome(it.client.echo({ text: "good" }));
    expect(it.connection.outbox.current.count).toBe(3); // the stream begins when it is read, in the next turn
    aborter.abort();
    await it.clock.advance(6_000);
    expect(await expired).toBe("! call_deadline");
    expect(await aborted).toBe("! call_cancelled");
    expect(await stream).toBe("call_deadline");
    expect(it.connection.outbox.current.count).toBe(1);
    await reopen(it);
    expect(await good).toBe("good");
    expect(it.calls).toEqual(["echo good"]);
  });

  it("nor run, when it was given to a link that had died unnoticed", async () => {
    await using it = await yard({}, {}, false);
    it.gate.deaf = true; // half open: what is sent vanishes
    const lost = outcome(it.client.echo({ text: "lost" }, { timeoutMs: 2_000 }));
    const kept = outcome(it.client.echo({ text: "kept" }));
    await it.clock.advance(3_000);
    expect(await lost).toBe("! call_deadline");
    it.gate.deaf = false;
    it.cut();
    await it.clock.advance(5_000);
    expect(await kept).toBe("kept");
    expect(it.calls).toEqual(["echo kept"]);
  });

  it("nor a call with a key, when the server may have run it and would not know it any more", async () => {
    await using it = await yard(
      { limits: { dedupMs: MINUTE } },
      { limits: { dedupMs: MINUTE, resumeMs: 1_000 } },
      false,
    );
    it.gate.deaf = true;
    const sent = it.client.add({ a: 1, b: 2 }).catch(reasonOf);
    await it.clock.settle();
    it.gate.shut = true;
    it.gate.deaf = false;
    it.cut();
    const waiting = it.client.add({ a: 3, b: 4 });
    await it.clock.advance(2 * MINUTE);
    await reopen(it);
    expect(await sent).toBe("outcome_unknown");
    expect((await waiting).sum).toBe(7);
    expect(it.calls).toEqual(["add 3 4"]);
  });

  it("and after the server refused, all that waited end with its reason", async () => {
    await using it = await yard(
      {},
      {
        use: [
          {
            name: "refuse",
            contract: 1,
            start: () => ({
              session() {
                throw new ConnectError("who are you?", Code.Unauthenticated);
              },
            }),
          },
        ],
      },
    );
    const call = it.client.echo({ text: "a" }).catch((error: unknown) => ConnectError.from(error).code);
    await reopen(it);
    expect(await call).toBe(Code.Unauthenticated);
    expect(it.connection.outbox.current).toEqual({ count: 0, bytes: 0 });
    expect(it.calls).toEqual([]);
  });
});

describe("when it is full, the outbox", () => {
  it("refuses the newest unless told otherwise, by count and by bytes", async () => {
    await using it = await yard({ limits: { outboxMessages: 3, outboxBytes: 1_000 } });
    const calls = ["a", "b", "c", "d"].map((text) => outcome(it.client.echo({ text })));
    expect(await calls[3]).toBe("! outbox_full");
    await reopen(it);
    expect(await Promise.all(calls.slice(0, 3))).toEqual(["a", "b", "c"]);
    await using other = await yard({ limits: { outboxBytes: 1_000 } });
    const small = outcome(other.client.echo({ text: "small" }));
    expect(await outcome(other.client.echo({ text: "x".repeat(1_000) }))).toBe("! outbox_full");
    await reopen(other);
    expect(await small).toBe("small");
  });

  it("drops the oldest with their own reason, and never sends them", async () => {
    await using it = await yard({ limits: { outboxMessages: 3 }, outbox: { whenFull: "drop-oldest" } });
    const calls = ["a", "b", "c", "d", "e"].map((text) => outcome(it.client.echo({ text })));
    await it.clock.settle();
    expect(it.connection.outbox.current.count).toBe(3);
    await reopen(it);
    expect(await Promise.all(calls)).toEqual(["! outbox_dropped", "! outbox_dropped", "c", "d", "e"]);
    expect(it.calls).toEqual(["echo c", "echo d", "echo e"]);
  });

  it("does not drop others for a call that it could not hold at all", async () => {
    await using it = await yard({ limits: { outboxBytes: 500 }, outbox: { whenFull: "drop-oldest" } });
    const small = outcome(it.client.echo({ text: "small" }));
    expect(await outcome(it.client.echo({ text: "x".repeat(1_000) }))).toBe("! outbox_full");
    await reopen(it);
    expect(await small).toBe("small");
  });

  it("has callers wait for room, in order, within its bounds, while their deadline and signal count", async () => {
    await using it = await yard({ limits: { outboxMessages: 2 }, outbox: { whenFull: "wait" } });
    const aborter = new AbortController();
    const first = outcome(it.client.echo({ text: "first" }, { timeoutMs: 5_000 }));
    const second = outcome(it.client.echo({ text: "second" }));
    const third = outcome(it.client.echo({ text: "third" }));
    const aborted = outcome(it.client.echo({ text: "aborted" }, { signal: aborter.signal }));
    const expired = outcome(it.client.echo({ text: "expired" }, { timeoutMs: 3_000 }));
    const last = outcome(it.client.echo({ text: "last" }));
    expect(it.connection.outbox.current.count).toBe(2);
    aborter.abort();
    await it.clock.advance(4_000);
    expect(await aborted).toBe("! call_cancelled");
    expect(await expired).toBe("! call_deadline");
    await it.clock.advance(2_000);
    expect(await first).toBe("! call_deadline"); // which makes room for the third
    expect(it.connection.outbox.current.count).toBe(2);
    await reopen(it);
    expect(await Promise.all([second, third, last])).toEqual(["second", "third", "last"]);
    expect(it.calls).toEqual(["echo second", "echo third", "echo last"]);
  });

  it("ends all that wait when the connection is closed", async () => {
    const it = await yard({ limits: { outboxMessages: 1 }, outbox: { whenFull: "wait" } });
    const calls = ["a", "b"].map((text) => outcome(it.client.echo({ text })));
    await it[Symbol.asyncDispose]();
    expect(await Promise.all(calls)).toEqual(["! connection_closed", "! connection_closed"]);
    expect(it.connection.outbox.current).toEqual({ count: 0, bytes: 0 });
  });
});

it("says how much waits, now and at each change, and a listener that throws stops nothing", async () => {
  await using it = await yard();
  const seen: number[] = [];
  const watching = it.connection.outbox.subscribe(({ count }) => {
    seen.push(count);
    if (count === 2) throw new Error("mine");
  });
  const calls = ["a", "b"].map((text) => outcome(it.client.echo({ text })));
  expect(it.connection.outbox.current).toBe(it.connection.outbox.current);
  await reopen(it);
  expect(await Promise.all(calls)).toEqual(["a", "b"]);
  watching();
  expect(seen).toEqual([0, 1, 2, 1, 0]);
});
