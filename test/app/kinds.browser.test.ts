// Calls of every kind from a page, over each transport: what browsers cannot do by themselves, such as streams in both directions, included.
import { connect } from "@raceway/client";
import { type ClientTransport, jsonCodec } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { describe, expect, inject, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";

const transports: readonly (readonly [string, () => ClientTransport])[] = [
  ["websocket", () => websocket()],
  ["sse", () => sse()],
  ["sse as text", () => sse({ format: "text" })],
  ["poll", () => poll()],
  ["grpc", () => grpc()],
];

async function take<T>(messages: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  for await (const message of messages) if (taken.push(message) === count) break;
  return taken;
}
async function* from<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}

describe.each(transports)("in a page, over %s", (_, transport) => {
  it("answers calls, and streams down, up and both ways at once", async () => {
    await using connection = connect(inject("labUrl"), { transports: [transport()] });
    const lab = labClient(connection);
    const data = Uint8Array.from({ length: 256 }, (__, at) => at);
    const reply = await lab.echo({ text: "grüße ✓", data });
    expect(reply.text).toBe("grüße ✓");
    expect([...reply.data]).toEqual([...data]);
    const [counted, sum, chat] = await Promise.all([
      take(lab.count({ from: 1, to: 500 }), 500),
      lab.sum(from([{ value: 1 }, { value: 2 }, { value: 39 }])),
      take(lab.chat(from([{ text: "a" }, { text: "b" }])), 2),
    ]);
    expect(counted.map(({ value }) => value)).toEqual(Array.from({ length: 500 }, (__, at) => at + 1));
    expect(sum).toMatchObject({ sum: 42, count: 3 });
    expect(chat.map(({ text }) => text)).toEqual(["a!", "b!"]);
  });
});

it("reads a topic in a page while the session is switched from transport to transport", async () => {
  const names = ["websocket", "sse", "poll", "grpc"];
  await using connection = connect(inject("labUrl"), {
    transports: [websocket(), sse(), poll(), grpc()],
    codecs: [jsonCodec()],
    probeMs: 0,
  });
  const lab = labClient(connection);
  const board = Math.floor(Math.random() * 1_000_000); // each run has a topic of its own
  const reading = take(lab.ticks({ board: `page-${board}` }, { from: "start" }), 40);
  for (let sequence = 1; sequence <= 40; sequence++) {
    await lab.add({ a: board, b: sequence });
    if (sequence % 8 === 0) await connection.switchTo(names[(sequence / 8) % names.length]!);
  }
  expect((await reading).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 40 }, (_, at) => at + 1));
});
