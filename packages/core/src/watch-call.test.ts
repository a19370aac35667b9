// A call is followed to its very end, and told of exactly once, whichever way it ends.
import { Code, ConnectError, type StreamRequest, type UnaryRequest } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { fail, reasonOf } from "./errors.ts";
import { watchCall } from "./watch-call.ts";

interface Told {
  readonly ends: string[];
  readonly watcher: Parameters<typeof watchCall>[2];
}
function teller(): Told {
  const ends: string[] = [];
  return {
    ends,
    watcher: {
      ended: (error, requests, responses) =>
        void ends.push(
          `${error === undefined ? "ok" : (reasonOf(error) ?? Code[error.code])} ${requests} ${responses}`,
        ),
    },
  };
}
const unary = (signal = new AbortController().signal): UnaryRequest => ({ stream: false, signal }) as UnaryRequest;
const stream = (messages: AsyncIterable<unknown>, signal = new AbortController().signal): StreamRequest =>
  ({ stream: true, signal, message: messages }) as StreamRequest;
async function* numbers(count: number, error?: Error): AsyncGenerator<number> {
  for (let number = 1; number <= count; number++) yield number;
  if (error !== undefined) throw error;
}
/** A handler that reads all it gets, and answers with as many. */
const echo = async (request: unknown): Promise<never> => {
  const { message } = request as { message: AsyncIterable<number> };
  const answer = async function* (): AsyncGenerator<number> {
    for await (const number of message) yield number;
  };
  return { stream: true, message: answer() } as never;
};

describe("a unary call", () => {
  it("that is answered", async () => {
    const { ends, watcher } = teller();
    const answer = { stream: false, message: {} } as never;
    expect(await watchCall(() => Promise.resolve(answer), unary(), watcher)).toBe(answer);
    expect(ends).toEqual(["ok 0 0"]);
  });

  it("that fails: with the same error", async () => {
    const { ends, watcher } = teller();
    const error = fail("draining", {});
    await expect(watchCall(() => Promise.reject(error), unary(), watcher)).rejects.toBe(error);
    const oops = new TypeError("oops");
    await expect(watchCall(() => Promise.reject(oops), unary(), watcher)).rejects.toBe(oops);
    expect(ends).toEqual(["draining 0 0", "Unknown 0 0"]);
  });

  it("that is cancelled while it runs, though the handler goes on", async () => {
    const { ends, watcher } = teller();
    const abort = new AbortController();
    const { promise, resolve } = Promise.withResolvers<never>();
    const call = watchCall(() => promise, unary(abort.signal), watcher);
    abort.abort(fail("call_deadline", { ms: 5 }));
    expect(ends).toEqual(["call_deadline 0 0"]);
    resolve({ stream: false } as never);
    await call;
    expect(ends).toHaveLength(1);
  });

  it("that was over before: an abort that comes later says nothing", async () => {
    const { ends, watcher } = teller();
    const abort = new AbortController();
    await watchCall(() => Promise.resolve({ stream: false } as never), unary(abort.signal), watcher);
    abort.abort();
    expect(ends).toEqual(["ok 0 0"]);
  });
});

describe("a stream", () => {
  it("that is read to its end: with both counts", async () => {
    const { ends, watcher } = teller();
    const response = await watchCall(echo, stream(numbers(3)), watcher);
    expect(ends).toEqual([]);
    const read: unknown[] = [];
    for await (const message of response.message as AsyncIterable<unknown>) read.push(message);
    expect(read).toEqual([1, 2, 3]);
    expect(ends).toEqual(["ok 3 3"]);
  });

  it("that breaks in the middle", async () => {
    const { ends, watcher } = teller();
    const oops = new ConnectError("oops", Code.DataLoss);
    const response = await watchCall(echo, stream(numbers(2, oops)), watcher);
    const reading = (async () => {
      for await (const _ of response.message as AsyncIterable<unknown>);
    })();
    await expect(reading).rejects.toBe(oops);
    expect(ends).toEqual(["DataLoss 2 2"]);
  });

  it("whose reader leaves: the handler's generator ends, too", async () => {
    const { ends, watcher } = teller();
    let left = false;
    const handler = async (): Promise<never> => {
      const answer = async function* (): AsyncGenerator<number> {
        try {
          yield* numbers(100);
        } finally {
          left = true;
        }
      };
      return { stream: true, message: answer() } as never;
    };
    const response = await watchCall(handler, stream(numbers(0)), watcher);
    for await (const _ of response.message as AsyncIterable<unknown>) break;
    expect(left).toBe(true);
    expect(ends).toEqual(["Canceled 0 1"]);
  });

  it("that nobody begins to read ends with its signal", async () => {
    const { ends, watcher } = teller();
    const abort = new AbortController();
    await watchCall(echo, stream(numbers(1), abort.signal), watcher);
    abort.abort(fail("call_cancelled"));
    expect(ends).toEqual(["call_cancelled 0 0"]);
  });
});

it("every piece of the call runs where the watcher wants it: the handler, its generator, and what it reads", async () => {
  let inside = 0;
  const seen: boolean[] = [];
  const look = (): void => void seen.push(inside > 0);
  const asked = async function* (): AsyncGenerator<number> {
    look();
    yield 1;
    look();
  };
  const handler = (request: unknown): Promise<never> => {
    look();
    const { message } = request as { message: AsyncIterable<number> };
    const answer = async function* (): AsyncGenerator<number> {
      look();
      for await (const number of message) yield number;
    };
    return Promise.resolve({ stream: true, message: answer() } as never);
  };
  const response = await watchCall(handler, stream(asked()), {
    ended: () => {},
    run(piece) {
      inside++;
      try {
        return piece();
      } finally {
        inside--;
      }
    },
  });
  for await (const _ of response.message as AsyncIterable<unknown>);
  expect(seen).toEqual([true, true, true, true]);
});
