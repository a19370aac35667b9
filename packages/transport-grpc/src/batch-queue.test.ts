// The queue of batches between a link and a stream.
import { expect, test } from "vitest";
import { BatchQueue } from "./batch-queue.ts";

const batch = (length: number, fill = 1): Uint8Array => new Uint8Array(length).fill(fill);

test("gives out what was pushed, in order, together while it is small enough", async () => {
  const queue = new BatchQueue(() => expect.unreachable());
  for (const size of [10, 20, 30, 100, 5]) queue.push(batch(size));
  expect((await queue.next(60))?.map(({ length }) => length)).toEqual([10, 20, 30]);
  expect((await queue.next(60))?.map(({ length }) => length)).toEqual([100]); // larger than all, but alone
  expect((await queue.next())?.map(({ length }) => length)).toEqual([5]);
  const waiting = queue.next();
  queue.push(batch(7));
  expect((await waiting)?.map(({ length }) => length)).toEqual([7]);
});

test("counts what was given out until more is asked for, and says when there is room again", async () => {
  const said: string[] = [];
  const queue = new BatchQueue(() => said.push("drained"));
  expect(queue.push(batch(60_000))).toBe(true);
  expect(queue.push(batch(6_000))).toBe(false);
  expect(queue.push(batch(1))).toBe(false);
  await queue.next();
  expect([queue.buffered, said]).toEqual([66_001, []]);
  await queue.next();
  expect([queue.buffered, said, queue.full]).toEqual([6_001, ["drained"], false]);
  await queue.next();
  const waiting = queue.next();
  expect(queue.buffered).toBe(0);
  expect(queue.push(batch(1))).toBe(true);
  await waiting;
  expect(said).toEqual(["drained"]);
});

test("comes to an end behind what was pushed, with a last word", async () => {
  const queue = new BatchQueue(() => expect.unreachable());
  queue.push(batch(1));
  queue.end();
  expect(queue.push(batch(2))).toBe(false);
  const sizes: (number | string)[] = [];
  for await (const chunk of queue.chunks({ end: true })) sizes.push("batch" in chunk ? chunk.batch.length : "end");
  expect(sizes).toEqual([1, "end"]);
});

test("gives out nothing once it was dropped: no last word, or the error that it was given", async () => {
  const dropped = new BatchQueue(() => expect.unreachable());
  dropped.push(batch(1));
  dropped.drop();
  const chunks = [];
  for await (const chunk of dropped.chunks({ end: true })) chunks.push(chunk);
  expect([chunks, dropped.buffered]).toEqual([[], 0]);
  const failed = new BatchQueue(() => expect.unreachable());
  const waiting = failed.next();
  failed.drop(new Error("batch_too_large"));
  await expect(waiting).rejects.toThrow("batch_too_large");
  await expect(failed.next()).rejects.toThrow("batch_too_large");
});
