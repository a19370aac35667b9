// A server that drains: clients go to another before it leaves, and nobody sees an error.
import { reasonOf } from "@raceway/core";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { from, take } from "./lab.ts";
import { nodes } from "./nodes.ts";

const A = "http://a.example";
const B = "http://b.example";

it("opens a session on the next server before it leaves the one that drains", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const b = await it.start(B);
  const connection = it.connect([A, B]);
  await it.clock.settle();
  const seen: string[] = [];
  connection.state.subscribe(({ status, endpoint }) => seen.push(`${status} ${endpoint}`));
  await it.during(a.app.drain({ drainMs: 1_000 }));
  expect(a.app.sessions).toBe(0);
  expect(b.app.sessions).toBe(1);
  expect(seen.filter((state) => !/^(open|switching)/.test(state))).toEqual([]);
  expect(seen.at(-1)).toBe(`open ${B}`);
});

it("calls, streams and uploads in flight end where they began, new ones begin on the next server", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const b = await it.start(B);
  const client = labClient(it.connect([A, B]));
  const slow = client.echo({ text: "slow", delayMs: 3_000 });
  const feed = client.count({ from: 1, to: 2_000 })[Symbol.asyncIterator]();
  expect((await feed.next()).value).toMatchObject({ value: 1 });
  let more = (): void => {};
  const upload = client.sum(
    (async function* () {
      yield { value: 1 };
      await new Promise<void>((resolve) => (more = resolve));
      yield { value: 2 };
    })(),
  );
  await it.clock.settle();
  const draining = a.app.drain({ drainMs: 10_000, spreadMs: 0 });
  await it.clock.advance(200);
  expect(b.app.sessions).toBe(1);
  expect((await client.echo({ text: "new" })).text).toBe("new");
  more();
  expect(await upload).toMatchObject({ sum: 3, count: 2 });
  for (let value = 2; value <= 2_000; value++) expect((await feed.next()).value).toMatchObject({ value });
  expect((await feed.next()).done).toBe(true);
  expect((await it.during(slow)).text).toBe("slow");
  await it.during(draining);
  expect(a.calls).toContain("echo slow");
  expect(b.calls).toContain("echo new");
  expect(a.app.sessions).toBe(0);
});

it("a topic goes on with the next server from where it was, without a gap or a repetition", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const b = await it.start(B);
  const client = labClient(it.connect([A, B]));
  const ticks = take(client.ticks({ board: "x" }, { from: "start" }), 200);
  const publish = async (): Promise<void> => {
    for (let sequence = 1; sequence <= 200; sequence++) {
      await (sequence % 2 === 0 ? a : b).topics.ticks.publish({ board: "x" }, { sequence });
      await new Promise<void>((resolve) => it.clock.after(5, resolve));
    }
  };
  const all = Promise.all([ticks, publish()]);
  await it.clock.advance(100);
  const draining = a.app.drain({ drainMs: 500 });
  const [seen] = await it.during(all);
  await it.during(draining);
  expect(seen.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 200 }, (_, at) => at + 1));
  expect(a.app.sessions).toBe(0);
});

it("a topic goes on however often its server is replaced, by draining and by dying", async () => {
  await using it = nodes();
  let node = await it.start(A);
  const ticks = take(labClient(it.connect(A)).ticks({ board: "x" }, { from: "start" }), 30);
  for (let round = 0; round < 15; round++) {
    await node.topics.ticks.publish({ board: "x" }, { sequence: 2 * round + 1 });
    await it.clock.settle();
    const next = await it.start(A);
    await next.topics.ticks.publish({ board: "x" }, { sequence: 2 * round + 2 });
    if (round % 2 === 0) node.cut();
    else await it.during(node.app.close({ drainMs: 2_000, spreadMs: 0 }));
    node = next;
    await it.clock.advance(2_000);
  }
  const seen = await it.during(ticks);
  expect(seen.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 30 }, (_, at) => at + 1));
});

it("with one address, goes to the process that takes the place of the old one", async () => {
  await using it = nodes();
  const old = await it.start(A);
  const connection = it.connect(A);
  const client = labClient(connection);
  await client.echo({ text: "1" });
  const draining = old.app.drain({ drainMs: 10_000, spreadMs: 0 });
  await it.clock.advance(600); // nobody has taken its place yet: it serves on
  expect((await client.echo({ text: "2" })).text).toBe("2");
  const next = await it.start(A);
  await it.during(draining);
  expect((await client.echo({ text: "3" })).text).toBe("3");
  expect(old.calls).toContain("echo 2");
  expect(next.calls).toContain("echo 3");
  expect(old.app.sessions).toBe(0);
});

it("resumes on the draining server what was in flight when its link died", async () => {
  await using it = nodes();
  const a = await it.start(A);
  await it.start(B);
  const client = labClient(it.connect([A, B]));
  const slow = client.echo({ text: "slow", delayMs: 3_000 });
  await it.clock.settle();
  const draining = a.app.drain({ drainMs: 10_000, spreadMs: 0 });
  await it.clock.advance(500);
  a.cut();
  await it.clock.advance(500);
  expect((await it.during(slow)).text).toBe("slow");
  await it.during(draining);
  expect(it.calls.filter((call) => call === "echo slow")).toHaveLength(1);
});

it("goes where the draining server says, though the client never heard of that address", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const b = await it.start(B);
  const connection = it.connect(A);
  await it.clock.settle();
  await it.during(a.app.drain({ drainMs: 1_000, endpoints: [B] }));
  expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
  expect(b.app.sessions).toBe(1);
});

it("does not go from https to http because a server says so, nor to what is no address", async () => {
  await using it = nodes();
  const secure = "https://a.example";
  const a = await it.start(secure);
  await it.start(B);
  const connection = it.connect(secure);
  await it.clock.settle();
  const draining = a.app.drain({
    drainMs: 1_000,
    endpoints: [B, "javascript:alert(1)", "https://user:word@b.example"],
  });
  await it.during(draining);
  expect(new Set(it.asked)).toEqual(new Set([secure]));
  expect(connection.state.current).toMatchObject({ status: "open", endpoint: secure });
});

it("new clients are sent away from a draining server, to come back or to go elsewhere", async () => {
  await using it = nodes();
  const a = await it.start(A);
  await it.start(B);
  await it.clock.settle();
  void a.app.drain({ drainMs: 60_000, endpoints: [B] });
  await it.clock.settle();
  const connection = it.connect(A);
  await it.clock.advance(2_000);
  expect(connection.state.current).toMatchObject({ status: "open", endpoint: B });
});

it("sends the sessions away one after the other", async () => {
  await using it = nodes();
  const a = await it.start(A, { limits: { sessionsPerAddress: 1_000 } });
  const b = await it.start(B, { limits: { sessionsPerAddress: 1_000 } });
  for (let each = 0; each < 100; each++) it.connect([A, B]);
  await it.clock.settle();
  expect(a.app.sessions).toBe(100);
  const draining = a.app.drain({ drainMs: 20_000 });
  const moved: number[] = [];
  for (let second = 0; second < 10; second++) {
    await it.clock.advance(1_000);
    moved.push(b.app.sessions);
  }
  for (const [at, count] of moved.entries()) expect(Math.abs(count - (at + 1) * 10)).toBeLessThan(20);
  await it.during(draining);
  expect(a.app.sessions).toBe(0);
  expect(b.app.sessions).toBe(100);
});

it("after drainMs, what is left ends with a reason", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const client = labClient(it.connect(A));
  const hanging = client.echo({ text: "for ever", delayMs: 1_000_000 }).catch((error: unknown) => reasonOf(error));
  await it.clock.settle();
  await it.during(a.app.close({ drainMs: 1_000, graceMs: 500 }));
  expect(await hanging).toBe("session_lost");
  expect(a.app.sessions).toBe(0);
});

it("a connection that is closed while it moves leaves nothing behind", async () => {
  await using it = nodes();
  const a = await it.start(A);
  const b = await it.start(B);
  const connection = it.connect([A, B]);
  const client = labClient(connection);
  const slow = client.echo({ text: "slow", delayMs: 5_000 }).catch((error: unknown) => reasonOf(error));
  const lines = client.chat(from([{ text: "a" }]))[Symbol.asyncIterator]();
  await lines.next();
  const draining = a.app.drain({ drainMs: 10_000, spreadMs: 0 });
  await it.clock.advance(100);
  await connection.close();
  expect(await slow).toBe("connection_closed");
  await it.during(draining);
  expect(a.app.sessions + b.app.sessions).toBe(0);
});

it("says over HTTP whether new sessions may come", async () => {
  await using it = nodes();
  const { app } = await it.start(A);
  const health = (): Promise<Response> => app.fetch(new Request(`${A}/raceway/health`));
  const before = await health();
  expect([before.status, await before.json()]).toEqual([200, { status: "serving" }]);
  it.connect(A);
  await it.clock.settle();
  void app.drain({ drainMs: 60_000 });
  const after = await health();
  expect([after.status, await after.json()]).toEqual([503, { status: "draining" }]);
  expect((await app.fetch(new Request(`${A}/raceway/health`, { method: "POST" }))).status).toBe(405);
});
