// The codec of docs/plugins/codec.md, word by word.
import { create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { type Codec, defineCodec } from "@raceway/core";

/** JSON with the names of the schema: "room_id", and not "roomId". */
export function jsonSnake(): Codec {
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true });
  return defineCodec({
    name: "json-snake",
    binary: false,
    of: (desc) => ({
      encode: (message) => encoder.encode(toJsonString(desc, create(desc, message), { useProtoFieldName: true })),
      decode: (bytes) => fromJsonString(desc, decoder.decode(bytes), { ignoreUnknownFields: true, recursionLimit: 64 }),
    }),
  });
}
