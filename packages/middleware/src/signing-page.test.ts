// In a page: WebCrypto signs what Node's own verifies.
import { generateKeyPairSync } from "node:crypto";
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { from, take } from "../../../test/app/lab.ts";
import { type Stage, outcome, stage } from "../../../test/middleware/stage.ts";
import { type SigningKey, replyVerifier, signatures, signer, verifiedReplies } from "./signing-page.ts";
import { replySigner, signedBy, verifier } from "./signing.ts";

const pair = generateKeyPairSync("ed25519", {
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const secret = "0123456789abcdef0123456789abcdef";
const shared: SigningKey = { id: "shared", secret };
const own: SigningKey = { id: "own", privateKey: pair.privateKey };
const unsigned = ["lab.v1.LabService/Cursor"];

function signed(key: SigningKey): Promise<Stage> {
  return stage({
    use: [verifier({ keys: { shared: { secret }, own: { publicKey: pair.publicKey } }, unsigned })],
    clientUse: [signer({ key, unsigned })],
    doorInterceptors: [signatures({ key, unsigned })],
    handlers: { peek: (_, context) => ({ text: context.get(signedBy) }) },
  });
}

describe("a page", () => {
  it("signs with WebCrypto what a server verifies with its own", async () => {
    for (const key of [shared, own]) {
      await using it = await signed(key);
      for (const way of ["websocket", "Connect door"] as const) {
        const client = it.client(way);
        expect((await client.peek({ text: "größe 茶" })).text).toBe(key.id);
        expect(await client.sum(from([{ value: 1 }, { value: 2 }]))).toMatchObject({ sum: 3 });
        expect(await take(client.count({ from: 1, to: 2 }), 2)).toHaveLength(2);
      }
    }
  });

  it("verifies with WebCrypto what a server signs with its own, and takes nothing else", async () => {
    const keys = { shared: { secret }, own: { publicKey: pair.publicKey } };
    for (const key of [shared, own]) {
      for (const known of [keys, { [key.id]: { secret: secret.toUpperCase() } }]) {
        await using it = await stage({
          use: [replySigner({ key: key as never, unsigned: ["lab.v1.LabService/Ticks"] })],
          clientUse: [replyVerifier({ keys: known })],
          doorInterceptors: [verifiedReplies({ keys: known })],
        });
        for (const way of ["websocket", "Connect door"] as const) {
          const client = it.client(way);
          const echo = await outcome(client.echo({ text: "größe 茶" }));
          const count = await outcome(take(client.count({ from: 1, to: 2 }), 3));
          if (known === keys) expect([echo, count]).toEqual(["ok", "ok"]);
          else expect([echo, count].map(reasonOf)).toEqual(["reply_forged", "reply_forged"]);
        }
      }
    }
  });

  it("keeps its calls in their order, though a signature takes its time", async () => {
    await using it = await signed(own);
    const client = it.client("websocket");
    await Promise.all(Array.from({ length: 50 }, (_, at) => client.add({ a: at, b: 0 })));
    expect(it.calls).toEqual(Array.from({ length: 50 }, (_, at) => `add ${at} 0`));
  });

  it("tells each call that a key is none", async () => {
    const key = { id: "own", privateKey: "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----" };
    await using it = await signed(key);
    const client = it.client("websocket");
    for (let at = 0; at < 2; at++) expect(await outcome(client.peek({}))).toBeInstanceOf(Error);
    expect(it.calls).toEqual([]);
  });
});
