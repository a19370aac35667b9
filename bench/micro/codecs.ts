// What a payload costs: the codecs beside protobuf-es, for a small event and for a larger document.
// Run: node -C @raceway/source bench/micro/codecs.ts
import { create, fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { TypeSchema } from "@bufbuild/protobuf/wkt";
import { jsonCodec, protoCodec } from "@raceway/core";
import { decodeFast } from "@raceway/core/internal";
import { WelcomeSchema } from "../../packages/core/src/gen/wire_pb.ts";
import { compare } from "./compare.ts";

let sink = 0;
/** A message of a dozen fields, as events are. */
const small = {
  version: 1,
  codec: "proto",
  session: new Uint8Array(16),
  received: 123_456n,
  window: { messages: 256, bytes: 1_048_576 },
  heartbeatMs: 25_000,
  transports: ["websocket", "sse", "poll"],
  maxAgeMs: 60_000,
  node: "eu-central-1/7",
};
/** A document of a few KB, lists of messages in it. */
const large = {
  name: "raceway.v1.Welcome",
  fields: Array.from({ length: 60 }, (_, index) => ({
    name: `field_number_${index}`,
    number: index + 1,
    kind: 9,
    jsonName: `fieldNumber${index}`,
    packed: index % 2 === 0,
  })),
  sourceContext: { fileName: "raceway/v1/wire.proto" },
};

const cases = [
  { name: "small", desc: WelcomeSchema, init: small },
  { name: "large", desc: TypeSchema, init: large },
] as const;
for (const { name, desc, init } of cases) {
  const proto = protoCodec({ decoder: decodeFast }).of(desc);
  const json = jsonCodec().of(desc);
  const message = create(desc as typeof WelcomeSchema, init as typeof small) as never;
  const binary = proto.encode(message);
  const text = json.encode(message);
  console.log(`${name}: ${binary.length} bytes of protobuf, ${text.length} of JSON`);
  compare(`${name}: encode proto`, 1, {
    "raceway, a message": () => void (sink += proto.encode(message).length),
    "raceway, an initializer": () => void (sink += proto.encode(init).length),
    "toBinary of a message": () => void (sink += toBinary(desc as typeof WelcomeSchema, message).length),
    "toBinary of an initializer": () =>
      void (sink += toBinary(
        desc as typeof WelcomeSchema,
        create(desc as typeof WelcomeSchema, init as typeof small),
      ).length),
  });
  compare(`${name}: decode proto`, 1, {
    raceway: () => void (sink += Object.keys(proto.decode(binary)).length),
    fromBinary: () => void (sink += Object.keys(fromBinary(desc, binary)).length),
  });
  const string = new TextDecoder().decode(text);
  compare(`${name}: JSON`, 1, {
    "encode, raceway": () => void (sink += json.encode(message).length),
    "toJsonString alone": () => void (sink += toJsonString(desc as typeof WelcomeSchema, message).length),
    "decode, raceway": () => void (sink += Object.keys(json.decode(text)).length),
    "fromJsonString alone": () => void (sink += Object.keys(fromJsonString(desc, string)).length),
  });
}
if (sink === 0) throw new Error("nothing was measured");
