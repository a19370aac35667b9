// Calls that go through middleware of the client end as calls without it do.
import type { Interceptor } from "@connectrpc/connect";
import { Code, ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import { expect, it } from "vitest";
import { type Lab, from, lab } from "./lab.ts";

const seen = (signals: AbortSignal[], interceptor: Interceptor = (next) => next): Promise<Lab> =>
  lab({
    client: {
      use: [
        {
          name: "watching",
          contract: 1,
          start: () => ({
            call: () => (next) => (request) => {
              signals.push(request.signal);
              return interceptor(next)(request);
            },
          }),
        },
      ],
    },
  });

it("whoever stops reading ends the call, on both sides", async () => {
  const signals: AbortSignal[] = [];
  await using it = await seen(signals);
  for await (const { value } of it.client.count({ from: 1, to: 1_000_000 })) if (value === 3) break;
  await it.clock.settle();
  expect(signals[0]?.aborted).toBe(true);
  expect(it.calls).toContain("counted 1");
});

it("the deadline is the host's, and says so; the signal tells interceptors", async () => {
  const signals: AbortSignal[] = [];
  await using it = await seen(signals);
  const late = it.client.echo({ text: "x", delayMs: 5_000 }, { timeoutMs: 1_000 }).catch((error: unknown) => error);
  await it.clock.advance(1_100);
  const error = await late;
  expect([reasonOf(error), (error as ConnectError).code]).toEqual(["call_deadline", Code.DeadlineExceeded]);
  expect(signals[0]?.aborted).toBe(true);
});

it("the caller's abort ends it, before and after it has begun", async () => {
  const signals: AbortSignal[] = [];
  await using it = await seen(signals);
  const before = await it.client.echo({ text: "x" }, { signal: AbortSignal.abort() }).catch((error: unknown) => error);
  expect(reasonOf(before)).toBe("call_cancelled");
  const abort = new AbortController();
  const running = it.client
    .echo({ text: "y", delayMs: 5_000 }, { signal: abort.signal })
    .catch((error: unknown) => reasonOf(error));
  await it.clock.settle();
  abort.abort();
  expect(await running).toBe("call_cancelled");
  await it.clock.settle();
  expect(it.calls).toContain("over y");
});

it("what an interceptor throws is what the caller gets, and messages pass it whole", async () => {
  const signals: AbortSignal[] = [];
  await using it = await seen(signals, (next) => (request) => {
    if (request.method.name === "Add") throw new ConnectError("not today", Code.ResourceExhausted);
    return next(request);
  });
  await expect(it.client.add({ a: 1, b: 2 })).rejects.toMatchObject({ code: Code.ResourceExhausted });
  expect((await it.client.echo({ text: "x" })).text).toBe("x");
  const said: string[] = [];
  for await (const { text } of it.client.chat(from([{ text: "a" }, { text: "b" }]))) said.push(text);
  expect(said).toEqual(["a!", "b!"]);
  await it.clock.settle();
  expect(signals.every(({ aborted }) => aborted)).toBe(true);
});

it("on the server, a request that an interceptor spread keeps its signal, which tells of the end of calls of every kind", async () => {
  const signals = new Map<string, AbortSignal>();
  await using it = await lab({
    server: {
      use: [
        { name: "spreading", contract: 1, start: () => ({ call: () => (next) => (request) => next({ ...request }) }) },
        {
          name: "looking",
          contract: 1,
          start: () => ({
            call: () => (next) => async (request) => {
              const response = await next(request);
              expect(request.signal).toBe(request.signal);
              signals.set(request.method.name, request.signal); // looked at late
              return response;
            },
          }),
        },
      ],
    },
  });
  await it.client.add({ a: 1, b: 2 });
  for await (const { value } of it.client.count({ from: 1, to: 1_000_000 })) if (value === 3) break;
  const abort = new AbortController();
  const running = it.client
    .echo({ text: "y", delayMs: 5_000 }, { signal: abort.signal })
    .catch((error: unknown) => reasonOf(error));
  await it.clock.settle();
  abort.abort();
  expect(await running).toBe("call_cancelled");
  await it.clock.advance(5_000);
  expect([...signals].map(([name, { aborted }]) => [name, aborted])).toEqual([
    ["Add", true],
    ["Count", true],
    ["Echo", true],
  ]);
});
