// An outbox with a store: what is unsent or unanswered when the page goes away is sent by the next one, and runs once.
import { ConnectError } from "@connectrpc/connect";
import type { OutboxEntry } from "@raceway/client";
import { keepOutbox } from "@raceway/client/outbox";
import { jsonCodec, reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { AddRequestSchema, AddResponseSchema } from "../gen/lab/v1/lab_pb.ts";
import { type Page, street } from "./street.ts";

const MINUTE = 60_000;

const never = (call: Promise<unknown>): void => void call.catch(() => {});
const sums = (page: Page): number[] => page.restored.map((call) => call.response(AddResponseSchema).sum);

describe("unsent calls of a page that was reloaded", () => {
  it("are sent by the next page, in order and before its own, each once; the next page is told of each", async () => {
    await using it = await street();
    const first = await it.page(true);
    for (const a of [1, 2, 3]) never(first.client.add({ a, b: 10 }));
    never(first.client.echo({ text: "not idempotent" }));
    await it.clock.settle();
    expect(it.disk.log).toEqual(["put unsent", "put unsent", "put unsent"]);
    first.die();
    const second = await it.page(true);
    never(second.client.add({ a: 4, b: 10 }));
    second.gate.shut = false;
    await it.clock.advance(MINUTE);
    expect(it.calls).toEqual(["add 1 10", "add 2 10", "add 3 10", "add 4 10"]);
    expect(sums(second)).toEqual([11, 12, 13]);
    expect(second.restored[0]).toMatchObject({ method: "/lab.v1.LabService/Add", error: undefined });
    expect(second.restored[0]!.request(AddRequestSchema)).toMatchObject({ a: 1, b: 10 });
    expect(it.disk.entries.size).toBe(0);
    expect(second.connection.outbox.current).toEqual({ count: 0, bytes: 0 });
  });

  it("run once though the reply of the first sending was lost with the page", async () => {
    await using it = await street();
    const first = await it.page(false);
    first.gate.mute = true;
    never(first.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    expect(it.calls).toEqual(["add 1 2"]);
    expect(it.disk.log).toEqual(["put sent"]);
    first.die();
    const second = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(sums(second)).toEqual([3]);
    expect(it.calls).toEqual(["add 1 2"]);
    expect(it.disk.entries.size).toBe(0);
  });

  it("run once though the handler was still at it, over three reloads", async () => {
    await using it = await street(20_000);
    let page = await it.page(false);
    never(page.client.add({ a: 1, b: 2 }));
    await it.clock.advance(1_000);
    for (let reload = 0; reload < 3; reload++) {
      page.die();
      page = await it.page(false);
      await it.clock.advance(2_000);
    }
    await it.clock.advance(MINUTE);
    expect(sums(page)).toEqual([3]);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("are not sent after their deadline, which goes on while there is no page", async () => {
    await using it = await street();
    const first = await it.page(true);
    never(first.client.add({ a: 1, b: 2 }, { timeoutMs: 30_000 }));
    never(first.client.add({ a: 3, b: 4 }, { timeoutMs: 10 * MINUTE }));
    await it.clock.settle();
    first.die();
    await it.clock.advance(MINUTE);
    const second = await it.page(true);
    await it.clock.settle();
    expect(second.restored.map(({ error }) => reasonOf(error))).toEqual(["call_deadline"]);
    expect(() => second.restored[0]!.response(AddResponseSchema)).toThrow("did not end within 30000 ms");
    await it.clock.advance(15 * MINUTE);
    expect(second.restored.map(({ error }) => reasonOf(error))).toEqual(["call_deadline", "call_deadline"]);
    second.gate.shut = false;
    await it.clock.advance(MINUTE);
    expect(it.calls).toEqual([]);
    expect(it.disk.entries.size).toBe(0);
  });

  it("are sent at any age if they never left, and not at all if the server may have forgotten that it ran them", async () => {
    await using it = await street();
    const first = await it.page(false);
    first.gate.mute = true;
    never(first.client.add({ a: 1, b: 2 })); // runs, and nobody hears of it
    await it.clock.settle();
    first.gate.shut = true;
    first.gate.deaf = true;
    await it.clock.advance(MINUTE); // the silence is noticed
    never(first.client.add({ a: 3, b: 4 })); // never leaves
    await it.clock.settle();
    first.die();
    await it.clock.advance(120 * MINUTE);
    const second = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(second.restored.map(({ error }) => reasonOf(error))).toEqual(["outcome_unknown", undefined]);
    expect(it.calls).toEqual(["add 1 2", "add 3 4"]);
  });

  it("are forgotten once they are answered, or were given up: nothing is left for the next page", async () => {
    await using it = await street();
    const page = await it.page(true);
    const aborter = new AbortController();
    const aborted = page.client.add({ a: 1, b: 2 }, { signal: aborter.signal }).catch(reasonOf);
    const expired = page.client.add({ a: 1, b: 2 }, { timeoutMs: 1_000 }).catch(reasonOf);
    const answered = page.client.add({ a: 3, b: 4 });
    await it.clock.settle();
    expect(it.disk.entries.size).toBe(3);
    aborter.abort();
    await it.clock.advance(2_000);
    expect(await aborted).toBe("call_cancelled");
    expect(await expired).toBe("call_deadline");
    expect(it.disk.entries.size).toBe(1);
    page.gate.shut = false;
    await it.clock.advance(MINUTE);
    expect((await answered).sum).toBe(7);
    expect(it.disk.entries.size).toBe(0);
    expect(it.calls).toEqual(["add 3 4"]);
  });

  it("do not flood the server on return, nor the disk", async () => {
    await using it = await street();
    const first = await it.page(true);
    for (let a = 0; a < 1_000; a++) never(first.client.add({ a, b: 0 }));
    await it.clock.settle();
    first.die();
    const second = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(sums(second)).toEqual(Array.from({ length: 1_000 }, (_, at) => at));
    expect(it.calls).toHaveLength(1_000);
    expect(Math.max(...second.gate.batches)).toBeLessThanOrEqual(64);
    expect(it.disk.log.filter((line) => line === "put sent")).toHaveLength(1_000);
  });
});

describe("close()", () => {
  it("leaves what is kept in the store, says so to its callers, and the next connection sends it", async () => {
    await using it = await street();
    const first = await it.page(true);
    const kept = first.client.add({ a: 1, b: 2 }).catch(reasonOf);
    const other = first.client.echo({ text: "a" }).catch(reasonOf);
    await it.clock.settle();
    await first.connection.close();
    expect(await kept).toBe("call_kept");
    expect(await other).toBe("connection_closed");
    const second = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(sums(second)).toEqual([3]);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("also what is in flight, and what was restored, without a word to the application", async () => {
    await using it = await street(20_000);
    const first = await it.page(false);
    const kept = first.client.add({ a: 1, b: 2 }).catch(reasonOf);
    await it.clock.settle();
    await first.connection.close();
    expect(await kept).toBe("call_kept");
    const second = await it.page(true);
    await second.connection.close();
    expect(second.restored).toEqual([]);
    const third = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(sums(third)).toEqual([3]);
    expect(it.calls).toEqual(["add 1 2"]);
  });
});

describe("the store", () => {
  it("gets no credentials", async () => {
    await using it = await street();
    const page = await it.page(true);
    const headers = { authorization: "Bearer x", cookie: "a=b", "x-api-key": "k", "x-auth-token": "t", "x-trace": "7" };
    never(page.client.add({ a: 1, b: 2 }, { headers }));
    await it.clock.settle();
    const [entry] = [...it.disk.entries.values()];
    const claim = { key: "raceway-channel", value: expect.stringMatching(/^[0-9a-f]{8} call$/) as string };
    expect(entry!.header).toEqual([{ key: "x-trace", value: "7" }, claim]);
    expect(JSON.stringify(entry)).not.toContain("Bearer");
  });

  it("is held by one page at a time; a second one works without, says so, and takes it over when the first is gone", async () => {
    await using it = await street();
    const first = await it.page(true);
    never(first.client.add({ a: 1, b: 1 }));
    await it.clock.settle();
    const second = await it.page(true);
    never(second.client.add({ a: 2, b: 2 }));
    await it.clock.settle();
    expect(second.warnings).toEqual(['the outbox is not kept: {"why":"another tab or process has it"}']);
    expect(it.disk.entries.size).toBe(1);
    second.gate.shut = false;
    await it.clock.advance(MINUTE);
    expect(it.calls).toEqual(["add 2 2"]); // only its own
    second.gate.shut = true;
    second.gate.deaf = second.gate.mute = true;
    first.die();
    second.gate.shut = second.gate.deaf = second.gate.mute = false;
    await it.clock.advance(MINUTE);
    expect(sums(second)).toEqual([2]);
    expect(it.calls).toEqual(["add 2 2", "add 1 1"]);
  });

  it("that fails costs the safety, not the calls", async () => {
    await using it = await street();
    it.disk.broken = true;
    const page = await it.page(false);
    expect((await page.client.add({ a: 1, b: 2 })).sum).toBe(3);
    expect(page.warnings).toEqual(['the outbox is not kept: {"why":"Error: the disk is full"}']);
    it.disk.broken = false;
    const other = await it.page(false);
    it.disk.broken = true;
    const late = other.client.add({ a: 3, b: 4 });
    await it.clock.settle();
    expect((await late).sum).toBe(7);
    await it.clock.settle();
    expect(other.warnings).toEqual([
      'a call could not be kept: {"call":"/lab.v1.LabService/Add","error":"Error: the disk is full"}',
      'a call could not be taken out of the store: {"error":"Error: the disk is full"}',
    ]);
  });

  it("that does not answer is done without after five seconds", async () => {
    await using it = await street();
    const page = await it.page(false, {
      outbox: {
        store: keepOutbox({ load: () => new Promise(() => {}), put: async () => {}, delete: async () => {} }),
      },
    });
    const call = page.client.add({ a: 1, b: 2 });
    await it.clock.advance(4_000);
    expect(it.calls).toEqual([]);
    await it.clock.advance(2_000);
    expect((await call).sum).toBe(3);
    expect(page.warnings).toEqual(['the outbox is not kept: {"why":"it does not answer"}']);
  });

  it("may hold what is no call, or was written by another codec: neither is sent", async () => {
    await using it = await street();
    const first = await it.page(true, { codecs: [jsonCodec()] });
    never(first.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    first.die();
    for (const junk of [null, {}, { id: "x" }, { id: "y", method: "/a/B", codec: "proto", request: "text" }])
      it.disk.entries.set(String(it.disk.entries.size), junk as unknown as OutboxEntry);
    const second = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(second.warnings).toEqual(['the outbox\'s store holds what is no call: {"count":4}']);
    expect(second.restored.map(({ error }) => reasonOf(error))).toEqual(["codec_unsupported"]);
    expect(it.calls).toEqual([]);
    expect((await second.client.add({ a: 1, b: 2 })).sum).toBe(3);
  });

  it("is for one connection", async () => {
    await using it = await street();
    const store = keepOutbox(it.disk.open());
    await it.page(true, { outbox: { store } });
    const error = await it.page(true, { outbox: { store } }).catch((cause: unknown) => ConnectError.from(cause));
    expect(reasonOf(error)).toBe("option_invalid");
  });
});

it("an application that throws when it is told stops nothing", async () => {
  await using it = await street();
  const first = await it.page(true);
  never(first.client.add({ a: 1, b: 2 }));
  never(first.client.add({ a: 3, b: 4 }));
  await it.clock.settle();
  first.die();
  let told = 0;
  await it.page(false, {
    outbox: {
      onRestored() {
        told++;
        throw new Error("mine");
      },
    },
  });
  await it.clock.advance(MINUTE);
  expect(told).toBe(2);
  expect(it.disk.entries.size).toBe(0);
});
