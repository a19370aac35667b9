// Row 11 of what went wrong elsewhere: messages that may be dropped, where the wrong ones are. Of a signal, the newest per key always arrives.
import { describe, expect, it } from "vitest";
import { lab } from "../app/lab.ts";
import { worlds } from "./world.ts";

/** The last position of each user that the handler saw. */
function last(calls: readonly string[]): Record<string, number> {
  const positions: Record<string, number> = {};
  for (const call of calls) {
    const [kind, user, x] = call.split(" ");
    if (kind === "cursor") positions[user!] = Number(x);
  }
  return positions;
}

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("Socket.IO #3350: of a hundred in a row, the newest arrives, of each key", async () => {
    await using it = await make();
    await using cursor = it.client.cursor();
    for (let x = 1; x <= 100; x++) for (const userId of ["ann", "bob"]) cursor.send({ userId, x });
    await it.until(() => last(it.calls)["ann"] === 100 && last(it.calls)["bob"] === 100);
    // And then the next.
    cursor.send({ userId: "ann", x: 101 });
    await it.until(() => last(it.calls)["ann"] === 101);
    expect(last(it.calls)).toEqual({ ann: 101, bob: 100 });
  });

  it("Socket.IO #3350: of what was said while there was no link, the newest arrives, and not all the rest", async () => {
    await using it = await make();
    await using cursor = it.client.cursor();
    cursor.send({ userId: "ann", x: 1 });
    await it.until(() => last(it.calls)["ann"] === 1);
    it.part();
    await it.settle();
    for (let x = 2; x <= 5_000; x++) cursor.send({ userId: x % 2 === 0 ? "ann" : "bob", x });
    it.meet();
    await it.until(() => last(it.calls)["ann"] === 5_000 && last(it.calls)["bob"] === 4_999);
    expect(it.calls.filter((call) => call.startsWith("cursor")).length).toBeLessThan(600);
  });

  it("Socket.IO #3388: however often the link is cut and the session lost, the newest arrives", async () => {
    await using it = await make({ limits: { resumeMs: 1 } });
    await using cursor = it.client.cursor();
    for (let x = 1; x <= 5; x++) {
      cursor.send({ userId: "ann", x });
      cursor.send({ userId: "bob", x: -x });
      if (x % 2 === 0) await it.settle(); // on its way, or there already
      it.kill();
    }
    await it.until(() => last(it.calls)["ann"] === 5 && last(it.calls)["bob"] === -5);
    expect(it.app.sessions).toBe(1);
  });

  it("Socket.IO #3388: the newest arrives though the server was replaced in between", async () => {
    await using it = await make();
    await using cursor = it.client.cursor();
    cursor.send({ userId: "ann", x: 1 });
    await it.until(() => last(it.calls)["ann"] === 1);
    const restarting = it.restart("kept");
    for (let x = 2; x <= 50; x++) cursor.send({ userId: "ann", x });
    await restarting;
    await it.until(() => last(it.calls)["ann"] === 50);
    expect(it.calls.filter((call) => call === "cursor ann 50")).toHaveLength(1);
  });
});

it("Socket.IO #3388: a server that is slower than its clients gets fewer, and the newest", async () => {
  await using it = await lab({ server: { limits: { windowMessages: 4 } } });
  const cursor = it.client.cursor();
  for (let x = 1; x <= 1_000; x++) {
    cursor.send({ userId: "ann", x });
    if (x % 10 === 0) await Promise.resolve();
  }
  await it.clock.settle();
  await cursor.close();
  expect(last(it.calls)["ann"]).toBe(1_000);
  expect(it.calls.length).toBeLessThan(500);
});

it("Socket.IO #3388: closing sends what is still there, and waits until it has arrived", async () => {
  await using it = await lab();
  const cursor = it.client.cursor();
  for (const userId of ["ann", "bob", "eve"]) for (const x of [1, 2, 3]) cursor.send({ userId, x });
  it.memory.cut();
  let closed = false;
  const closing = cursor.close().then(() => (closed = true));
  expect(closed).toBe(false);
  await it.clock.advance(5_000);
  await closing;
  expect(last(it.calls)).toEqual({ ann: 3, bob: 3, eve: 3 });
});
