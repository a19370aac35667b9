// The queue between a session and a reader: order, errors, and who leaves first.
import { describe, expect, it } from "vitest";
import { MessageQueue } from "./message-queue.ts";

function queue(): { queue: MessageQueue<number>; consumed: number[]; abandoned: () => number } {
  const consumed: number[] = [];
  let abandoned = 0;
  const made = new MessageQueue<number>({
    decode(payload) {
      if (payload[0] === 255) throw new Error("not a message");
      return payload[0]!;
    },
    consumed: (bytes) => void consumed.push(bytes),
    abandoned: () => void abandoned++,
  });
  return { queue: made, consumed, abandoned: () => abandoned };
}
const bytes = (value: number): Uint8Array => Uint8Array.of(value);

describe("MessageQueue", () => {
  it("gives messages in order, whoever was first: reader or writer", async () => {
    const { queue: q, consumed } = queue();
    const early = [q.next(), q.next()];
    for (const value of [1, 2, 3]) q.push(bytes(value));
    q.finish();
    expect((await Promise.all(early)).map(({ value }) => value as number)).toEqual([1, 2]);
    expect(await q.next()).toEqual({ done: false, value: 3 });
    expect(await q.next()).toEqual({ done: true, value: undefined });
    expect(consumed).toEqual([1, 1, 1]);
  });

  it("gives an error after what is there, once", async () => {
    const { queue: q } = queue();
    q.push(bytes(1));
    q.finish(new Error("over"));
    expect((await q.next()).value).toBe(1);
    await expect(q.next()).rejects.toThrow("over");
    expect((await q.next()).done).toBe(true);
  });

  it("tells its owner when the reader leaves before the end, and only then", async () => {
    const left = queue();
    left.queue.push(bytes(1));
    for await (const _ of left.queue) break;
    expect(left.abandoned()).toBe(1);
    const read = queue();
    read.queue.push(bytes(1));
    read.queue.finish();
    for await (const _ of read.queue);
    expect(read.abandoned()).toBe(0);
  });

  it("ends at a payload that is no message", async () => {
    const { queue: q, abandoned } = queue();
    q.push(bytes(255));
    q.push(bytes(1));
    await expect(q.next()).rejects.toThrow("not a message");
    expect((await q.next()).done).toBe(true);
    expect(abandoned()).toBe(1);
  });

  it("holds thousands without growing for ever", async () => {
    const { queue: q } = queue();
    for (let round = 0; round < 5; round++) {
      for (let at = 0; at < 3_000; at++) q.push(bytes(at % 200));
      for (let at = 0; at < 3_000; at++) expect((await q.next()).value).toBe(at % 200);
      expect(q.length).toBe(0);
    }
  });

  it("has what waits written anew; what cannot be is cut off with all that follows, and what came before it is read", async () => {
    const { queue: q } = queue();
    for (const value of [1, 2, 3]) q.push(bytes(value));
    expect((await q.next()).value).toBe(1);
    q.rewrite(([value]) => bytes(value! * 10));
    q.push(bytes(4));
    expect(q.length).toBe(3);
    expect((await q.next()).value).toBe(20);
    const odd = new Error("an odd one");
    const change = ([value]: Uint8Array): Uint8Array => {
      if (value === 4) throw odd;
      return bytes(value! + 1);
    };
    q.push(bytes(5));
    expect(() => q.rewrite(change)).toThrow(odd);
    q.finish(odd);
    expect((await q.next()).value).toBe(31);
    await expect(q.next()).rejects.toBe(odd);
    expect((await q.next()).done).toBe(true);
  });
});
