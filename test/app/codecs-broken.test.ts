// Codecs that throw or give garbage: what they touch ends with a clear error, and nothing else does, and nothing hangs.
import type { DescMessage } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Codec, protoCodec, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { describe, expect, it } from "vitest";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { lab, take } from "./lab.ts";
import { mirrorCodec } from "./mirror-codec.ts";

describe("a broken codec", () => {
  const failing = {
    "that throws": () => {
      throw new Error("no luck");
    },
    "that throws what it should not": () => {
      throw new ConnectError("Not my fault.", Code.Internal);
    },
    "that gives nothing": () => undefined,
    "that gives text": () => "text",
    "that gives a promise": () => Promise.resolve(new Uint8Array(0)),
    "that gives words of two bytes": () => new Uint16Array(4),
  };

  describe.each(Object.entries(failing))("%s", (name, fault) => {
    it("when the client reads, fails the call, and nothing else", async () => {
      const broken = mirrorCodec((desc) => (desc.name === "EchoResponse" ? { decode: fault } : {}));
      await using it = await lab({ server: { codecs: [mirrorCodec()] }, client: { codecs: [broken] } });
      expect(reasonOf(await it.client.echo({ text: "x" }).catch((error: unknown) => error))).toBe("payload_malformed");
      expect((await it.client.add({ a: 1, b: 2 })).sum).toBe(3);
    });

    it("when the server reads, fails the call, and nothing else", async () => {
      const broken = mirrorCodec((desc) => (desc.name === "EchoRequest" ? { decode: fault } : {}));
      await using it = await lab({ server: { codecs: [broken] }, client: { codecs: [mirrorCodec()] } });
      expect(reasonOf(await it.client.echo({ text: "x" }).catch((error: unknown) => error))).toBe("payload_malformed");
      expect((await it.client.add({ a: 1, b: 2 })).sum).toBe(3);
    });

    it("when one writes, fails the call or the subscription, and nothing else", async () => {
      const broken = (type: string): ReturnType<typeof mirrorCodec> =>
        mirrorCodec((desc) => (desc.name === type ? { encode: fault } : {}));
      const expected = name.startsWith("that throws") ? "does not fit" : "Payload is not a valid";
      for (const [server, client, told] of [
        [broken("EchoResponse"), mirrorCodec(), "The handler failed"], // the cause is in the server's log
        [mirrorCodec(), broken("EchoRequest"), expected],
      ] as const) {
        await using it = await lab({ server: { codecs: [server] }, client: { codecs: [client] } });
        await expect(it.client.echo({ text: "x" })).rejects.toThrow(told);
        expect((await it.client.add({ a: 1, b: 2 })).sum).toBe(3);
      }
      await using it = await lab({ server: { codecs: [broken("Tick")] } });
      const wanting = take(labClient(it.connect({ codecs: [mirrorCodec()] })).ticks({ board: "x" }), 1);
      const other = take(it.client.ticks({ board: "x" }), 1);
      const ended = expect(wanting).rejects.toThrow(expected);
      await it.clock.settle();
      await it.topics.ticks.publish({ board: "x" }, { symbol: "A" });
      await it.clock.settle();
      await ended;
      expect((await other)[0]!.symbol).toBe("A");
    });
  });

  it("cannot prepare a type: its calls fail, the others go on", async () => {
    const choosy = mirrorCodec();
    const broken = mirrorCodec(() => ({}), {
      of(desc: DescMessage) {
        if (desc.name.startsWith("Echo")) throw new Error("not with me");
        return choosy.of(desc);
      },
    });
    await using it = await lab({ server: { codecs: [broken] }, client: { codecs: [mirrorCodec()] } });
    expect(reasonOf(await it.client.echo({ text: "x" }).catch((error: unknown) => error))).toBe("payload_malformed");
    expect((await it.client.add({ a: 1, b: 2 })).sum).toBe(3);
  });

  it("says it writes text, and does not: the call fails, and not the link again and again", async () => {
    const liar = mirrorCodec(() => ({}), { binary: false });
    await using it = await lab({
      server: { codecs: [liar] },
      client: { codecs: [mirrorCodec(() => ({}), { binary: false })] },
      memory: { text: true },
    });
    expect(reasonOf(await it.client.echo({ text: "x" }).catch((error: unknown) => error))).toBe("payload_malformed");
  });

  it("made by hand is told by the compiler, and held to its contract by a server all the same", async () => {
    const byHand = {
      name: "mirror",
      contract: 1,
      binary: true,
      of: () => ({ encode: () => 5, decode: () => 5 }) as never,
    } as const;
    // @ts-expect-error -- not by defineCodec
    const codecs: readonly Codec[] = [byHand];
    await using it = await lab({ server: { codecs }, client: { codecs: [mirrorCodec()] } });
    expect(reasonOf(await it.client.echo({ text: "x" }).catch((error: unknown) => error))).toBe("payload_malformed");
  });

  it.each([
    ["of another contract", () => mirrorCodec(() => ({}), { contract: 2 }), "plugin_contract"],
    ["without a name", () => mirrorCodec(() => ({}), { name: "" }), "option_invalid"],
    ["with the name of the server's own", () => protoCodec(), "option_invalid"],
  ])("%s is refused where it is given", (_, codec, reason) => {
    const made = (): unknown => {
      try {
        return raceway({ transports: [], codecs: [codec()] });
      } catch (error) {
        return error;
      }
    };
    expect(reasonOf(made())).toBe(reason);
  });

  it("given twice is refused", () => {
    expect(() => raceway({ transports: [], codecs: [mirrorCodec(), mirrorCodec()] })).toThrow("mirror, mirror, proto");
  });
});
