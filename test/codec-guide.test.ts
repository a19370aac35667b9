// The guide to a codec: what it shows is a file of the tests, word by word, which passes the kit and carries a session.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { protoCodec } from "@raceway/core";
import { codecCases, runCases } from "@raceway/testkit";
import { expect, it } from "vitest";
import { lab } from "./app/lab.ts";
import { labClient } from "./gen/lab/v1/lab.client.ts";
import { EchoRequestSchema } from "./gen/lab/v1/lab_pb.ts";
import { jsonSnake } from "./json-snake.ts";

it("shows what is tried here", () => {
  const guide = readFileSync(join(import.meta.dirname, "../docs/plugins/codec.md"), "utf8");
  const [, shown] = /What a codec looks like:\n\n```ts\n([^]*?)```/.exec(guide)!;
  const [, ...lines] = readFileSync(join(import.meta.dirname, "json-snake.ts"), "utf8").split("\n");
  expect(shown).toBe(lines.join("\n"));
});

it("shows a codec that passes the kit, with the facts of its last part", async () => {
  const { results } = await runCases(codecCases({ codec: jsonSnake, unknownFields: "passed over" }), () => {});
  expect(results.filter(({ outcome }) => outcome === "failed")).toEqual([]);
  expect(results.filter(({ outcome }) => outcome === "passed").length).toBeGreaterThan(25);
});

it("shows a codec by which server and client talk, and which a text link shows as it is", async () => {
  await using it = await lab({ server: { codecs: [jsonSnake()] }, memory: { text: true } });
  const client = labClient(it.connect({ codecs: [jsonSnake(), protoCodec()] }));
  expect((await client.echo({ text: "hello", delayMs: 0 })).text).toBe("hello");
  const written = jsonSnake().of(EchoRequestSchema).encode({ delayMs: 5 });
  expect(new TextDecoder().decode(written)).toBe('{"delay_ms":5}');
});
