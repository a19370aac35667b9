// Addresses read backwards: the key that a publisher would give, or a clear no, in a time that no address can stretch.
import type { DescMessage, DescMethod } from "@bufbuild/protobuf";
import { type ChannelContract, compileAddress, reasonOf } from "@raceway/core";
import { ListSessionsRequestSchema, SessionInfoSchema, TopicInfoSchema } from "@raceway/core/admin";
import fc from "fast-check";
import { expect, it } from "vitest";
import { AddressReader } from "./address-reader.ts";
import { Channel } from "./channel.ts";

function topic(name: string, input: DescMessage, address?: string): Channel {
  const addressFields = Array.from(address?.matchAll(/\{([^}]*)\}/g) ?? [], ([, field]) => field!);
  const contract: ChannelContract = { kind: "topic", addressFields, ...(address !== undefined && { address }) };
  const desc = { parent: { typeName: "test.Topics" }, name, input, output: input } as DescMethod;
  const addressOf = compileAddress(`/test.Topics/${name}`, contract, { addressBytes: 512 });
  return new Channel(desc, contract, undefined, undefined, addressOf, undefined);
}

const texts = fc.string({ unit: "grapheme", minLength: 1, maxLength: 20 });
/** Channels, and keys that may be published to. */
const cases: readonly (readonly [Channel, fc.Arbitrary<Record<string, unknown>>])[] = [
  [topic("Text", TopicInfoSchema, "rooms/{address}/messages"), fc.record({ address: texts })],
  [topic("Two", TopicInfoSchema, "two/{address}/{channel}"), fc.record({ address: texts, channel: texts })],
  [topic("Beside", TopicInfoSchema, "{subscribers}:{address}!"), fc.record({ subscribers: fc.nat(), address: texts })],
  [topic("Long", TopicInfoSchema, "long/{offset}"), fc.record({ offset: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) })],
  [
    topic("Deep", SessionInfoSchema, "deep/{since.seconds}/{session}"),
    fc.record({ since: fc.record({ seconds: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) }), session: texts }),
  ],
  [topic("Whole", TopicInfoSchema), fc.constant({})],
];
const reader = new AddressReader(cases.map(([channel]) => channel));

it.each(cases.map(([channel, keys]) => ({ name: channel.desc.name, channel, keys })))(
  "of $name, any address gives its channel and its key back",
  ({ channel, keys }) => {
    fc.assert(
      fc.property(keys, (key) => {
        const read = reader.read(channel.addressOf!(key), channel.path);
        expect(read.channel).toBe(channel);
        expect(read.key).toEqual(key);
      }),
    );
  },
);

it("whatever else is said is no address, or is one and the same when it is written again", () => {
  const pieces = fc.constantFrom(
    "rooms",
    "/",
    "messages",
    "two",
    ":",
    "!",
    "long",
    "0",
    "01",
    "%2f",
    "%2F",
    "%",
    "deep",
    "\u0000",
  );
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 9 }), (parts) => {
      const address = parts.join("");
      let read;
      try {
        read = reader.read(address, "");
      } catch (error) {
        expect(["topic_unknown", "topic_ambiguous"]).toContain(reasonOf(error));
        return;
      }
      expect(read.channel.addressOf!(read.key)).toBe(address);
    }),
  );
});

it("where two channels may have an address, one has to be named", () => {
  const [room, any] = [
    topic("Room", TopicInfoSchema, "rooms/{address}/x"),
    topic("Any", ListSessionsRequestSchema, "rooms/{address}/{pageToken}"),
  ];
  const both = new AddressReader([room, any]);
  expect(() => both.read("rooms/tea/x", "")).toThrow("may be of each of test.Topics/Room, test.Topics/Any");
  expect(both.read("rooms/tea/x", "test.Topics/Room")).toEqual({ channel: room, key: { address: "tea" } });
  expect(both.read("rooms/tea/x", "/test.Topics/Any").key).toEqual({ address: "tea", pageToken: "x" });
  expect(both.read("rooms/tea/y", "").channel).toBe(any);
});

it("many fields and one kind of character take no longer", () => {
  const fields = Array.from({ length: 12 }, () => "{address}").join("-");
  const one = new AddressReader([topic("Many", TopicInfoSchema, `${fields}-end`)]);
  const began = performance.now();
  for (let round = 0; round < 100; round++)
    expect(() => one.read("-".repeat(500), "")).toThrow("No topic of this server has the address");
  expect(performance.now() - began).toBeLessThan(2_000); // by trying all ways it would take years
});
