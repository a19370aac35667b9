// The codec: protobuf's JSON form of a message, in CBOR (RFC 8949) in place of text.
import { create, fromJson, toJson } from "@bufbuild/protobuf";
import { type Codec, defineCodec } from "@raceway/core";
import { type CborOptions, resolveCborOptions } from "./options.ts";
import { readCbor } from "./read.ts";
import { writeCbor } from "./write.ts";

/** For `codecs` of a server, and of a client. Throws for wrong options. */
export function cbor(given: CborOptions = {}): Codec {
  const { maxDepth } = resolveCborOptions(given); // wrong options fail here, on the user's line
  // Fields that a newer schema has are passed over: who adds some need not replace all programs at once.
  const reading = { ignoreUnknownFields: true, recursionLimit: maxDepth };
  return defineCodec({
    name: "cbor",
    binary: true,
    // Asked once per type: what can be prepared of a type belongs here, before the two functions.
    of: (desc) => ({
      encode: (message) => writeCbor(toJson(desc, create(desc, message)), maxDepth),
      decode: (bytes) => fromJson(desc, readCbor(bytes, maxDepth), reading),
    }),
  });
}
