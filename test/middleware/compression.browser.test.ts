// Compression in a page, by the browser's own streams: asynchronous, in order, with the dictionaries that a Node server makes.
import { connect } from "@raceway/client";
import { type BatchCoder, type ClientTransport, type Plugin, type Stations, definePlugin } from "@raceway/core";
import { compression } from "@raceway/middleware/compression";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { describe, expect, inject, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";

/** The plugin, and what its coders were asked. */
function counted(algorithms: readonly string[]): { readonly plugin: Plugin; readonly done: Record<string, number> } {
  const done = { encoded: 0, decoded: 0, byDictionary: 0 };
  const inner = compression({ algorithms });
  const plugin = definePlugin({
    name: "counted",
    async start(host): Promise<Stations> {
      const { batch } = await inner.start(host);
      if (batch === undefined) return {};
      const open = (name: string): BatchCoder => {
        const coder = batch.open(name);
        return {
          encode(parts) {
            const coded = coder.encode(parts);
            if (coded !== undefined) done.encoded++;
            return coded;
          },
          decode(bytes, maxBytes, dictionary) {
            done.decoded++;
            if (dictionary !== undefined) done.byDictionary++;
            return coder.decode(bytes, maxBytes, dictionary);
          },
        };
      };
      return { batch: { ...batch, open } };
    },
  });
  return { plugin, done };
}

const transports: readonly (readonly [string, () => ClientTransport])[] = [
  ["websocket", () => websocket()],
  ["sse", () => sse()],
  ["poll", () => poll()],
  ["grpc", () => grpc()],
];
const text = "what is to be said is said again; ".repeat(100);

describe.each(transports)("in a page, over %s", (_, transport) => {
  it.each(["deflate", "gzip"])("calls and streams go compressed by %s, in order", async (algorithm) => {
    const { plugin, done } = counted([algorithm]);
    await using connection = connect(inject("labUrl"), { transports: [transport()], use: [plugin] });
    const lab = labClient(connection);
    expect((await lab.echo({ text })).text).toBe(text);
    const lines = Array.from({ length: 30 }, (__, at) => `${at} ${at % 4 === 0 ? text : ""}`);
    const heard: string[] = [];
    const said = (async function* (): AsyncGenerator<{ text: string }> {
      for (const line of lines) yield { text: line };
    })();
    for await (const line of lab.chat(said)) heard.push(line.text);
    expect(heard).toEqual(lines.map((line) => `${line}!`));
    expect(done["encoded"]).toBeGreaterThan(1);
    expect(done["decoded"]).toBeGreaterThan(1);
  });

  it("topics go by the dictionary that the server makes of them", async () => {
    const { plugin, done } = counted(["deflate"]);
    await using connection = connect(inject("labUrl"), { transports: [transport()], use: [plugin] });
    const lab = labClient(connection);
    const board = Math.floor(Math.random() * 1_000_000);
    const heard: [number, string][] = [];
    const reading = (async (): Promise<void> => {
      for await (const { sequence, symbol } of lab.ticks({ board: `page-${board}` }, { from: "start" }))
        if (heard.push([sequence, symbol]) === 80) return;
    })();
    for (let sequence = 1; sequence <= 80; sequence++) await lab.add({ a: board, b: sequence });
    await reading;
    expect(heard).toEqual(Array.from({ length: 80 }, (__, at) => [at + 1, `page ${board}, row ${at + 1}`]));
    expect(done["byDictionary"]).toBeGreaterThan(20);
  });
});

it("what no browser has is not offered, and all works without", async () => {
  const { plugin, done } = counted(["zstd"]);
  await using connection = connect(inject("labUrl"), { transports: [websocket()], use: [plugin] });
  expect((await labClient(connection).echo({ text })).text).toBe(text);
  expect(done["decoded"]).toBe(0);
});
