// Calls that an outbox kept over a restart of the client: signed anew, by the key of then, and taken once.
import { definePlugin, reasonOf } from "@raceway/core";
import { type SigningKey, signer, verifier } from "@raceway/middleware/signing";
import { describe, expect, it } from "vitest";
import { street } from "../app/street.ts";
import { AddResponseSchema } from "../gen/lab/v1/lab_pb.ts";

const MINUTE = 60_000;
const secret = "0123456789abcdef0123456789abcdef";
const first: SigningKey = { id: "first", secret };
const second: SigningKey = { id: "second", secret: secret.toUpperCase() };
const keys = { first: { secret }, second: { secret: secret.toUpperCase() } };
const unsigned = ["lab.v1.LabService/Cursor"];
const never = (call: Promise<unknown>): void => void call.catch(() => {});

describe("a call that was kept", () => {
  it("unsent, goes out signed by the key of the day on which it is sent, though it is older than any signature", async () => {
    const seen: string[] = [];
    const looks = definePlugin({
      name: "looks",
      before: ["verifier"],
      start: () => ({
        call: () => (next) => (request) => {
          seen.push(/key=(\w+)/.exec(request.header.get("raceway-signature") ?? "")?.[1] ?? "none");
          return next(request);
        },
      }),
    });
    await using it = await street(0, [looks, verifier({ keys, unsigned })]);
    const page = await it.page(true, { use: [signer({ key: first })] });
    for (const a of [1, 2]) never(page.client.add({ a, b: 10 }));
    await it.clock.settle();
    page.die();
    await it.clock.advance(60 * MINUTE);
    const next = await it.page(false, { use: [signer({ key: second })] });
    await it.clock.advance(MINUTE);
    expect(next.restored.map((call) => call.response(AddResponseSchema).sum)).toEqual([11, 12]);
    expect(it.calls).toEqual(["add 1 10", "add 2 10"]);
    expect(seen).toEqual(["second", "second"]);
    expect([...it.disk.entries]).toEqual([]);
  });

  it("and may have run, is signed again under its key, so that it runs once and its signature is no replay", async () => {
    await using it = await street(0, [verifier({ keys, unsigned })]);
    const page = await it.page(false, { use: [signer({ key: first })] });
    page.gate.mute = true;
    never(page.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    expect(it.calls).toEqual(["add 1 2"]);
    page.die();
    const next = await it.page(false, { use: [signer({ key: first })] });
    await it.clock.advance(MINUTE);
    expect(next.restored.map((call) => call.response(AddResponseSchema).sum)).toEqual([3]);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("of a megabyte is kept whole", async () => {
    await using it = await street(0, [verifier({ keys, unsigned })]);
    const page = await it.page(true, {
      use: [signer({ key: first }), large],
      limits: { outboxBytes: 10_000_000 },
    });
    never(page.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    page.die();
    expect([...it.disk.entries.values()][0]!.note!.text.length).toBeGreaterThan(1_000_000);
    const next = await it.page(false, { use: [signer({ key: first })], limits: { outboxBytes: 10_000_000 } });
    await it.clock.advance(MINUTE);
    expect(next.restored.map(({ error }) => error)).toEqual([undefined]);
    expect(it.calls).toEqual(["add 1 2"]);
  });

  it("holds no secret on the disk, and one that was altered there is refused", async () => {
    await using it = await street(0, [verifier({ keys, unsigned })]);
    const page = await it.page(true, { use: [signer({ key: first })] });
    never(page.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    page.die();
    const [[id, entry]] = [...it.disk.entries] as [[string, NonNullable<ReturnType<typeof it.disk.entries.get>>]];
    expect(JSON.stringify(entry)).not.toContain(secret);
    expect(entry.header.map(({ key }) => key)).toEqual(["raceway-channel"]);
    expect(entry.note).toMatchObject({ by: "signer" });
    it.disk.entries.set(id, { ...entry, request: Uint8Array.of(8, 9, 16, 9) });
    const next = await it.page(false, { use: [signer({ key: first })] });
    await it.clock.advance(MINUTE);
    expect(next.restored.map(({ error }) => reasonOf(error))).toEqual(["signature_invalid"]);
    expect(it.calls).toEqual([]);
  });

  it("is refused where nobody signs any more, and told so", async () => {
    await using it = await street(0, [verifier({ keys, unsigned })]);
    const page = await it.page(true, { use: [signer({ key: first })] });
    never(page.client.add({ a: 1, b: 2 }));
    await it.clock.settle();
    page.die();
    const next = await it.page(false);
    await it.clock.advance(MINUTE);
    expect(next.restored.map(({ error }) => reasonOf(error))).toEqual(["signature_missing"]);
    expect(it.calls).toEqual([]);
  });
});

/** Makes a request large by a field that the server does not know. */
const large = definePlugin({
  name: "large",
  before: ["signer"],
  start: () => ({
    call: () => (next) => (request) => {
      if (!request.stream)
        Object.assign(request.message, {
          $unknown: [{ no: 99, wireType: 2, data: withLength(new Uint8Array(900_000)) }],
        });
      return next(request);
    },
  }),
});
function withLength(bytes: Uint8Array): Uint8Array {
  const length: number[] = [];
  for (let rest = bytes.length; ; rest >>>= 7) {
    length.push(rest > 127 ? (rest & 127) | 128 : rest);
    if (rest <= 127) break;
  }
  return Uint8Array.from([...length, ...bytes]);
}
