// In a page: WebCrypto seals and opens what Node's cipher does.
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";
import { take } from "../../../test/app/lab.ts";
import { labClient } from "../../../test/gen/lab/v1/lab.client.ts";
import { TickSchema } from "../../../test/gen/lab/v1/lab_pb.ts";
import { outcome, stage } from "../../../test/middleware/stage.ts";
import { encryption as pageEncryption, vault as pageVault } from "./encryption-page.ts";
import { encryption, vault } from "./encryption.ts";

const keyOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const keys = { spring: keyOf(1), autumn: keyOf(2) };
const both = encryption({ keys, seal: "spring" });
const secret = "the plain text";

describe("a page", () => {
  it("opens with WebCrypto what a server sealed, and the other way round", async () => {
    const imported = await crypto.subtle.importKey("raw", new Uint8Array(keys.spring), "AES-GCM", false, [
      "encrypt",
      "decrypt",
    ]);
    for (const spring of [keys.spring, imported]) {
      await using it = await stage({ use: [both], clientUse: [pageEncryption({ keys: { spring }, seal: "spring" })] });
      for (const symbol of ["one", "two", "three"]) await it.topics.ticks.publish({ board: "x" }, { symbol });
      expect(
        (await take(labClient(it.transport("websocket")).ticks({ board: "x" }, { from: "start" }), 3)).map(
          ({ symbol }) => symbol,
        ),
      ).toEqual(["one", "two", "three"]);
      expect((await it.client("sse").echo({ text: secret })).text).toBe(secret);
    }
    const other = pageVault({ keys: { spring: keyOf(9) } });
    const sealed = await vault({ keys, seal: "spring" }).seal(TickSchema, {}, { topic: "x" });
    expect(reasonOf(await outcome(Promise.resolve(other.open(TickSchema, sealed, { topic: "x" }))))).toBe(
      "sealed_invalid",
    );
  });
});
