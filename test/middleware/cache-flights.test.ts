// Equal calls that are under way at one time, and what a handler says about who may get its answer.
import { Code, ConnectError } from "@connectrpc/connect";
import { fail, reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { type Peek, text, world } from "./cache-world.ts";
import { outcome } from "./stage.ts";

describe("equal calls under way", () => {
  /** A handler that answers when it is told to. */
  function held(): { readonly peek: Peek; next(): (answer: string | Error) => void; readonly aborted: string[] } {
    const waiting: ((answer: string | Error) => void)[] = [];
    const aborted: string[] = [];
    return {
      aborted,
      peek: ({ text: said }, { signal }) =>
        new Promise((resolve, reject) => {
          signal.addEventListener("abort", () => aborted.push(said));
          waiting.push((answer) => (typeof answer === "string" ? resolve({ text: answer }) : reject(answer)));
        }),
      next: () => waiting.shift()!,
    };
  }

  it("run once, and all get the answer", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const calls = Array.from({ length: 5 }, () => text(ann.peek({ text: "tea" })));
    const other = text(ann.peek({ text: "milk" }));
    await it.lab.clock.settle();
    expect(it.asked).toEqual(["tea", "milk"]);
    handler.next()("hot");
    handler.next()("cold");
    expect(await Promise.all([...calls, other])).toEqual(["hot", "hot", "hot", "hot", "hot", "cold"]);
    expect(it.cache.stats).toMatchObject({ hits: 0, shared: 4, misses: 2 });
  });

  it("all get the error, and the next one runs", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const calls = Array.from({ length: 3 }, () => outcome(ann.peek({})));
    await it.lab.clock.settle();
    handler.next()(new ConnectError("no tea", Code.NotFound));
    for (const each of await Promise.all(calls)) expect(ConnectError.from(each).code).toBe(Code.NotFound);
    const again = text(ann.peek({}));
    await it.lab.clock.settle();
    handler.next()("tea");
    expect(await again).toBe("tea");
    expect(it.asked).toHaveLength(2);
  });

  it("do not fail when the first of them is given up: the next one runs", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const leaves = new AbortController();
    const first = outcome(ann.peek({}, { signal: leaves.signal }));
    await it.lab.clock.settle();
    const others = [text(ann.peek({})), text(ann.peek({}))];
    await it.lab.clock.settle();
    leaves.abort();
    expect(ConnectError.from(await first).code).toBe(Code.Canceled);
    await it.lab.clock.settle();
    expect(handler.aborted).toEqual([""]);
    handler.next()(new ConnectError("given up", Code.Canceled));
    await it.lab.clock.settle();
    expect(it.asked).toHaveLength(2);
    handler.next()("tea");
    expect(await Promise.all(others)).toEqual(["tea", "tea"]);
  });

  it("get what the first one's handler says though its caller is gone", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const first = outcome(ann.peek({}, { timeoutMs: 100 }));
    await it.lab.clock.settle();
    const other = text(ann.peek({}));
    await it.lab.clock.advance(100);
    expect(ConnectError.from(await first).code).toBe(Code.DeadlineExceeded);
    handler.next()("tea");
    expect(await other).toBe("tea");
    expect(it.asked).toHaveLength(1);
  });

  it("do not get the deadline of the first one", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const first = outcome(ann.peek({}, { timeoutMs: 100 }));
    await it.lab.clock.settle();
    const other = text(ann.peek({}));
    await it.lab.clock.advance(100);
    expect(ConnectError.from(await first).code).toBe(Code.DeadlineExceeded);
    handler.next()(new ConnectError("too late", Code.DeadlineExceeded));
    await it.lab.clock.settle();
    handler.next()("tea");
    expect(await other).toBe("tea");
  });

  it("do not get that the credential of the first one has expired", async () => {
    const handler = held();
    await using it = await world({ scope: "public" }, { peek: handler.peek });
    const first = outcome(it.as("ann").peek({}));
    await it.lab.clock.settle();
    const other = text(it.as("ben").peek({}));
    await it.lab.clock.settle();
    handler.next()(fail("credential_expired"));
    expect(reasonOf(await first)).toBe("credential_expired");
    await it.lab.clock.settle();
    handler.next()("tea");
    expect(await other).toBe("tea");
  });

  it("one that gives up leaves alone, at once", async () => {
    const handler = held();
    await using it = await world({}, { peek: handler.peek });
    const ann = it.as("ann");
    const first = text(ann.peek({}));
    await it.lab.clock.settle();
    const leaves = new AbortController();
    const second = outcome(ann.peek({}, { signal: leaves.signal }));
    const third = outcome(ann.peek({}, { timeoutMs: 50 }));
    await it.lab.clock.settle();
    leaves.abort();
    await it.lab.clock.advance(50);
    expect(ConnectError.from(await second).code).toBe(Code.Canceled);
    expect(ConnectError.from(await third).code).toBe(Code.DeadlineExceeded);
    handler.next()("tea");
    expect(await first).toBe("tea");
    expect(it.asked).toHaveLength(1);
  });

  it("run each by itself, at one time, where the handler says that its answer is for nobody else", async () => {
    const runs: (() => void)[] = [];
    await using it = await world(
      {},
      {
        peek: (_, context) => {
          context.responseHeader.set("cache-control", "no-store");
          return new Promise((resolve) => runs.push(() => resolve({ text: String(runs.length) })));
        },
      },
    );
    const ann = it.as("ann");
    const calls = Array.from({ length: 4 }, () => outcome(ann.peek({})));
    await it.lab.clock.settle();
    expect(runs).toHaveLength(1);
    runs[0]!();
    await it.lab.clock.settle();
    expect(runs).toHaveLength(4);
    for (const run of runs) run();
    expect(await Promise.all(calls)).toEqual(["ok", "ok", "ok", "ok"]);
    expect(it.cache.stats).toMatchObject({ entries: 0, shared: 0, misses: 4 });
  });
});

describe("a handler", () => {
  it.each([
    ["cache-control", "no-store", "public"],
    ["cache-control", "max-age=60, No-Cache", "public"],
    ["cache-control", "max-age=0", "public"],
    ["cache-control", 'max-age="tea"', "public"],
    ["cache-control", "private", "public"],
    ["set-cookie", "session=1", "private"],
    ["vary", "accept-language", "private"],
    ["vary", "*", "public"],
  ] as const)("keeps its answer out by %s: %s", async (name, value, scope) => {
    await using it = await world(
      { scope },
      {
        peek(_, { responseHeader }) {
          responseHeader.set(name, value);
          return {};
        },
      },
    );
    const ann = it.as("ann");
    const told: (string | null)[] = [];
    for (let count = 0; count < 2; count++)
      await ann.peek({}, { onHeader: (header) => void told.push(header.get(name)) });
    expect(told).toEqual([value, value]);
    expect(it.asked).toHaveLength(2);
  });

  it.each([
    ["max-age=5", 5],
    ["max-age=900, max-age=7", 7],
    ["max-age=3600, must-revalidate", 60],
    ["private, max-age=9", 9],
  ] as const)("says for how long by cache-control: %s", async (value, seconds) => {
    await using it = await world(
      {},
      {
        peek(_, { responseHeader }) {
          responseHeader.set("cache-control", value);
          return {};
        },
      },
    );
    const ann = it.as("ann");
    await ann.peek({});
    await it.lab.clock.advance(seconds * 1_000 - 1);
    await ann.peek({});
    expect(it.asked).toHaveLength(1);
    await it.lab.clock.advance(1);
    await ann.peek({});
    expect(it.asked).toHaveLength(2);
  });
});
