// Signing, encryption and validation in a page, with what the browser has for them, and a Node server at the other end.
import { connect } from "@raceway/client";
import { type ClientTransport, reasonOf } from "@raceway/core";
import { encryption } from "@raceway/middleware/encryption";
import { type SigningKey, signer } from "@raceway/middleware/signing";
import { poll } from "@raceway/transport-poll/client";
import { websocket } from "@raceway/transport-websocket/client";
import { validate } from "@raceway/validate/client";
import { describe, expect, inject, it } from "vitest";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";

const { url, secret, privateKey, key } = inject("guarded");
const keys: readonly SigningKey[] = [
  { id: "shared", secret },
  { id: "own", privateKey },
];
const sealing = encryption({ keys: { page: Uint8Array.from(key) }, seal: "page" });
const unsigned = ["lab.v1.LabService/Cursor"];

async function inPage(
  transport: ClientTransport,
  signing: SigningKey,
  run: (lab: LabClient) => Promise<void>,
): Promise<void> {
  await using connection = connect(url, {
    transports: [transport],
    use: [validate(), sealing, signer({ key: signing, unsigned })],
  });
  await run(labClient(connection));
}
async function* from<T>(messages: readonly T[]): AsyncGenerator<T> {
  yield* messages;
}

describe.each(keys)("in a page, signed with the key $id,", (signing) => {
  it.each([
    ["websocket", () => websocket()],
    ["poll", () => poll()],
  ])("calls, streams and topics go over %s, sealed where they can be", async (_, transport) => {
    await inPage(transport(), signing, async (lab) => {
      expect((await lab.echo({ text: "größe 茶" })).text).toBe("größe 茶");
      expect(await lab.sum(from([{ value: 1 }, { value: 2 }]))).toMatchObject({ sum: 3, count: 2 });
      const board = Math.floor(Math.random() * 1e9);
      for (let row = 1; row <= 3; row++) await lab.add({ a: board, b: row });
      const seen: number[] = [];
      for await (const { sequence, sealed } of lab.ticks({ board: `page-${board}` }, { from: "start" })) {
        expect(sealed).toBeUndefined();
        if (seen.push(sequence) === 3) break;
      }
      expect(seen).toEqual([1, 2, 3]);
    });
  });
});

it("a page that does not sign, or signs with another secret, is refused; what breaks a rule is not sent", async () => {
  const other: SigningKey = { id: "shared", secret: secret.replaceAll("0", "1").replaceAll("a", "b") };
  await inPage(websocket(), other, async (lab) => {
    const error: unknown = await lab.add({ a: 1, b: 1 }).catch((cause: unknown) => cause);
    expect(reasonOf(error)).toBe("signature_invalid");
    const broken: unknown = await lab.echo({ email: "nobody" }).catch((cause: unknown) => cause);
    expect(reasonOf(broken)).toBe("message_invalid");
  });
  await using connection = connect(url, { transports: [websocket()] });
  const missing: unknown = await labClient(connection)
    .add({ a: 1, b: 1 })
    .catch((cause: unknown) => cause);
  expect(reasonOf(missing)).toBe("signature_missing");
});
