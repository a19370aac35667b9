// A generated client over a Connect transport of another make.
import { create } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import { expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { CountResponseSchema } from "../gen/lab/v1/lab_pb.ts";

/** Its streams say one message, and nothing more until they are cancelled. */
function silentAfterOne(seen: string[]): Transport {
  async function* messages(signal: AbortSignal): AsyncGenerator {
    yield create(CountResponseSchema, { value: 1 });
    await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason as Error)));
  }
  return {
    unary: () => Promise.reject(new Error("not used")),
    stream: async (method, signal) => {
      signal!.addEventListener("abort", () => seen.push("cancelled"));
      const response = { stream: true, service: method.parent, method, header: new Headers(), trailer: new Headers() };
      return { ...response, message: messages(signal!) } as never;
    },
  };
}

it("a reader who leaves while a message is awaited is not held by it, and the call is cancelled", async () => {
  const seen: string[] = [];
  const reader = labClient(silentAfterOne(seen)).count({ to: 3 })[Symbol.asyncIterator]();
  expect(await reader.next()).toMatchObject({ value: { value: 1 } });
  const next = reader.next().catch((error: unknown) => error);
  expect(await reader.return!()).toEqual({ done: true, value: undefined });
  expect(await next).toMatchObject({ name: "AbortError" });
  expect(seen).toEqual(["cancelled"]);
});
