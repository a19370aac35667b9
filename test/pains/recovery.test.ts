// Row 1 of what went wrong elsewhere: recovery that fails, repeats or leaves out, and says nothing. Whenever the link is killed, the reader has the log.
import type { Gap } from "@raceway/client";
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { type World, worlds } from "./world.ts";

interface Reading {
  /** The server has said where it begins. */
  placed: boolean;
  readonly seen: number[];
  readonly gaps: Gap[];
  error?: unknown;
}

/** Reads the board until it ends. */
function read(it: World, options: { from?: "now" | "start"; tell?: boolean } = {}): Reading {
  const reading: Reading = { placed: false, seen: [], gaps: [] };
  const topic = it.client.ticks(
    { board: "x" },
    {
      from: options.from ?? "now",
      onHeader: () => (reading.placed = true),
      ...(options.tell === true && { onReset: (gap: Gap) => void reading.gaps.push(gap) }),
    },
  );
  void (async () => {
    try {
      for await (const { sequence } of topic) reading.seen.push(sequence);
    } catch (error) {
      reading.error = error;
    }
  })();
  return reading;
}

async function publish(it: World, ...sequences: number[]): Promise<void> {
  for (const sequence of sequences) await it.topics.ticks.publish({ board: "x" }, { sequence });
}

/** A reader who has his place in the log. */
async function placed(it: World, options: Parameters<typeof read>[1] = {}): Promise<Reading> {
  const reading = read(it, options);
  await it.until(() => reading.placed);
  return reading;
}

describe.each(Object.entries(worlds))("over %s", (_, make) => {
  it("Socket.IO #4888: recovers when the link dies before the first message", async () => {
    await using it = await make();
    const reading = await placed(it);
    it.part();
    await publish(it, 1, 2, 3);
    it.meet();
    await it.until(() => reading.seen.length === 3);
    await publish(it, 4);
    await it.until(() => reading.seen.length === 4);
    expect(reading.seen).toEqual([1, 2, 3, 4]);
  });

  it("Redis streams adapter #48: recovers when nothing was said for long before the link dies", async () => {
    await using it = await make({ limits: { heartbeatMs: 1_000 } });
    const reading = await placed(it);
    await publish(it, 1);
    await it.until(() => reading.seen.length === 1);
    await it.quiet();
    it.part();
    await publish(it, 2, 3);
    it.meet();
    await it.until(() => reading.seen.length === 3);
    expect(reading.seen).toEqual([1, 2, 3]);
  });

  it("Socket.IO #5419: recovers again and again, and what was recovered once does not come twice", async () => {
    await using it = await make();
    const reading = await placed(it);
    for (const sequence of [1, 3, 5]) {
      await publish(it, sequence);
      await it.until(() => reading.seen.length === sequence);
      it.part();
      await publish(it, sequence + 1);
      it.meet();
      await it.until(() => reading.seen.length === sequence + 1);
      // The second time, nothing was missed: nothing comes.
      it.kill();
      await it.until(() => it.connection.state.current.status === "open");
    }
    await publish(it, 7);
    await it.until(() => reading.seen.length >= 7);
    expect(reading.seen).toEqual([1, 2, 3, 4, 5, 6, 7]);
  });

  it("Socket.IO #4880: recovers when the next link dies as soon as it is there, twice in a row", async () => {
    await using it = await make();
    const reading = await placed(it);
    await publish(it, 1);
    await it.until(() => reading.seen.length === 1);
    for (const sequence of [2, 3]) {
      let killed = false;
      const watch = it.connection.state.subscribe(({ status }) => {
        if (status !== "open" || killed) return;
        killed = true;
        it.kill();
      });
      await publish(it, sequence);
      watch();
    }
    await publish(it, 4);
    await it.until(() => reading.seen.length >= 4);
    expect(reading.seen).toEqual([1, 2, 3, 4]);
  });

  it("Redis streams adapter #26: recovers when the link dies at once", async () => {
    await using it = await make();
    await publish(it, 1, 2);
    const reading = read(it, { from: "start" });
    it.kill(); // in the turn of the subscription
    await Promise.resolve();
    it.kill();
    await publish(it, 3);
    await it.until(() => reading.seen.length >= 3);
    it.kill();
    await publish(it, 4);
    await it.until(() => reading.seen.length >= 4);
    expect(reading.seen).toEqual([1, 2, 3, 4]);
  });

  it("Redis streams adapter #27: recovers when the node dies, for the log outlives it", async () => {
    await using it = await make();
    const reading = await placed(it);
    await publish(it, 1, 2);
    await it.until(() => reading.seen.length === 2);
    await it.restart("kept");
    await publish(it, 3);
    await it.until(() => reading.seen.length === 3);
    await it.restart("kept");
    await publish(it, 4);
    await it.until(() => reading.seen.length === 4);
    expect(reading.seen).toEqual([1, 2, 3, 4]);
    expect(reading.error).toBeUndefined();
  });

  it("Redis streams adapter #27: recovers when the node dies, or the session, before anything was ever said", async () => {
    await using it = await make({ limits: { resumeMs: 1 } });
    const reading = await placed(it);
    await it.restart("kept");
    await it.until(() => it.connection.state.current.status === "open");
    it.part();
    await it.until(() => it.app.sessions === 0 || it.connection.state.current.transport === "poll");
    it.meet();
    await it.until(() => it.connection.state.current.status === "open");
    await publish(it, 1);
    await it.until(() => reading.seen.length === 1 || reading.error !== undefined);
    expect(reading).toMatchObject({ seen: [1] });
    expect(reading.error).toBeUndefined();
  });

  it("Redis streams adapter #27: says what is missing when the log died with the node", async () => {
    await using it = await make();
    const told = await placed(it, { tell: true });
    const untold = await placed(it);
    await publish(it, 1, 2);
    await it.until(() => told.seen.length === 2 && untold.seen.length === 2);
    await it.restart("empty");
    await publish(it, 3);
    await it.until(() => told.seen.length === 3 && untold.error !== undefined);
    expect(told.seen).toEqual([1, 2, 3]);
    expect(told.gaps).toMatchObject([{ after: { offset: 2 }, first: 1 }]);
    expect(untold.seen).toEqual([1, 2]);
    expect(reasonOf(untold.error)).toBe("history_gone");
  });
});
