// `mockClient` of @raceway/testing: a generated client that no server stands behind.
import { Code, ConnectError } from "@connectrpc/connect";
import { collect, mockClient } from "@raceway/testing";
import { expect, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labContract } from "../gen/lab/v1/lab.contract.ts";

it("answers each channel with samples, without a server", async () => {
  const lab = mockClient(labClient, labContract);
  expect((await lab.add({ a: 4, b: 5 })).sum).toBe(1);
  expect((await lab.sum(listOf([{ value: 1 }, { value: 2 }]))).count).toBe(1);
  expect((await allOf(lab.count({ from: 7 }))).map(({ value }) => value)).toEqual([1, 2, 3]);
  expect((await allOf(lab.chat(listOf([{ text: "a" }, { text: "b" }])))).map(({ text }) => text)).toEqual([
    "text-1",
    "text-2",
  ]);
  await using cursor = lab.cursor();
  cursor.send({ userId: "me", x: 1 });
});

it("keeps a topic open after its samples, until its reader leaves", async () => {
  const lab = mockClient(labClient, labContract);
  const ticks = lab.ticks({ board: "x" });
  const iterator = ticks[Symbol.asyncIterator]();
  const sequences: number[] = [];
  for (let count = 0; count < 3; count++) sequences.push(Number((await iterator.next()).value.sequence));
  const waiting = iterator.next();
  await iterator.return!();
  expect(await waiting).toEqual({ done: true, value: undefined });
  expect(sequences).toEqual([1, 2, 3]);
  expect(ticks.position).toBeUndefined();
});

it("fails what its caller aborts, before and while it runs", async () => {
  const lab = mockClient(labClient, labContract);
  await expect(lab.add({ a: 1, b: 1 }, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: Code.Canceled });
  const leaving = new AbortController();
  const iterator = lab.ticks({ board: "x" }, { signal: leaving.signal })[Symbol.asyncIterator]();
  for (let count = 0; count < 3; count++) await iterator.next();
  const waiting = iterator.next();
  leaving.abort();
  await expect(waiting).rejects.toMatchObject({ code: Code.Canceled });
  const ended = collect(lab.count({ from: 1 }, { signal: leaving.signal }));
  await expect.poll(() => ended.error?.code).toBe(Code.Canceled);
});

it("answers as the test says, with `this`, also from a prototype, and leaves out what is undefined", async () => {
  class Answers {
    readonly sum = 20;
    async add(): Promise<never> {
      throw new ConnectError(`not ${this.sum}`, Code.OutOfRange);
    }
  }
  const lab = mockClient(labClient, labContract, new Answers() as unknown as Partial<LabClient>);
  await expect(lab.add({ a: 1, b: 1 })).rejects.toThrow("not 20");
  expect((await lab.echo({ text: "x" })).text).toBe("text-1");
  const sampled = mockClient(labClient, labContract, { add: undefined } as object);
  expect((await sampled.add({ a: 1, b: 1 })).sum).toBe(1);
});

async function allOf<T>(stream: AsyncIterable<T>): Promise<readonly T[]> {
  const items: T[] = [];
  for await (const item of stream) items.push(item);
  return items;
}

async function* listOf<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items;
}
