// What the kit cannot know of this plugin: its options, and what it remembers of keys.
import { createContextValues } from "@connectrpc/connect";
import { type ChannelInfo, type Opening, type TopicGate, principal, reasonOf } from "@raceway/core";
import { testHost, virtualClock } from "@raceway/testkit";
import { describe, expect, it } from "vitest";
import { apiKey as showsKey } from "./client.ts";
import { database } from "./sample-keys.ts";
import { type ApiKeyOptions, apiKey, usedKey } from "./server.ts";

/** A server's plugin without its server: its stations can be asked by hand. */
async function started(
  options: Partial<ApiKeyOptions>,
  clock = virtualClock(),
): Promise<{ asked: string[]; gate: TopicGate | undefined; comes: (credential?: string) => Promise<Opening> }> {
  const asked: string[] = [];
  const find = (digest: string) => (asked.push(digest), database.get(digest));
  const { session, topic } = await apiKey({ find, ...options }).start({ ...testHost("server"), clock });
  return {
    asked,
    gate: topic?.({ path: "/chat.v1.RoomService/Messages" } as ChannelInfo),
    async comes(credential) {
      const opening: Opening = {
        kind: "open",
        peer: { address: "192.0.2.1", secure: true, header: () => undefined },
        transport: "memory",
        credential,
        headers: new Headers(),
        context: createContextValues(),
        ended: new AbortController().signal,
        current: true,
        expiresIn() {},
        end() {},
      };
      await session?.(opening);
      return opening;
    },
  };
}

describe("a key", () => {
  it("tells handlers who its owner is, and what it is for", async () => {
    const { comes } = await started({});
    const { context } = await comes("ann writes");
    expect(context.get(principal)).toEqual({ id: "ann", method: "api-key" });
    expect(context.get(usedKey)).toEqual({ owner: "ann", mayWrite: true });
  });

  it("is looked up once as long as it is remembered, and a wrong one each time", async () => {
    const clock = virtualClock();
    const { asked, comes } = await started({ rememberMs: 1_000 }, clock);
    for (let time = 0; time < 3; time++) await comes("ann writes");
    expect(asked).toHaveLength(1);
    await clock.advance(1_000);
    await comes("ann writes");
    expect(asked).toHaveLength(2);
    for (let time = 0; time < 2; time++)
      expect(reasonOf(await comes("wrong").catch((error: unknown) => error))).toBe("credential_invalid");
    expect(asked).toHaveLength(4);
  });

  it("of a megabyte is not looked up", async () => {
    const { asked, comes } = await started({});
    await expect(comes("k".repeat(1_048_576))).rejects.toThrow("there is no such API key");
    expect(asked).toEqual([]);
  });
});

it("who only reads publishes nothing, whatever call of his would; the server itself always may", async () => {
  const { comes, gate } = await started({});
  const publication = { address: "rooms/tea/messages", key: { room: "tea" }, message: {} };
  const { context: reading } = await comes("bob reads");
  expect(() => gate?.publish?.({ ...publication, context: reading })).toThrow("for reading only");
  const { context: writing } = await comes("ann writes");
  gate?.publish?.({ ...publication, context: writing });
  gate?.publish?.({ ...publication, context: undefined });
});

describe("options that cannot work are refused where they are written", () => {
  const find: ApiKeyOptions["find"] = () => undefined;
  it.each<[string, () => unknown, string]>([
    ["no find", () => apiKey({} as ApiKeyOptions), "option_invalid"],
    ["a time out of range", () => apiKey({ find, rememberMs: -1 }), "option_invalid"],
    ["an option that is not there", () => apiKey({ find, keys: {} } as ApiKeyOptions), "option_unknown"],
    ["an empty key", () => showsKey(""), "option_invalid"],
  ])("%s", (_, write, reason) => {
    let error: unknown;
    try {
      write();
    } catch (thrown) {
      error = thrown;
    }
    expect(reasonOf(error)).toBe(reason);
  });
});
