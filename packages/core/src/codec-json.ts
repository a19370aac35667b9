// The codec "json": protobuf's JSON form, in UTF-8. Unknown fields are passed over, as old peers of new ones need it.
import {
  type DescMessage,
  type MessageShape,
  type Registry,
  create,
  fromJsonString,
  toJsonString,
} from "@bufbuild/protobuf";
import { type Codec, type MessageCodec, preparedCodec } from "./codec.ts";
import { vouch } from "./define-codec.ts";
import { messageUnfit, payloadMalformed } from "./payload-error.ts";

export interface JsonCodecOptions {
  /** Objects and lists within each other that are read, as `limits.jsonDepth`; 64 unless said. */
  readonly jsonDepth?: number;
  /** Types that may stand in a `google.protobuf.Any`, whose JSON form depends on what is in it. */
  readonly registry?: Registry;
}

export function jsonCodec(options: JsonCodecOptions = {}): Codec {
  const depth = options.jsonDepth ?? 64;
  const registry = options.registry && { registry: options.registry };
  const reading = { ...registry, ignoreUnknownFields: true, recursionLimit: depth };
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  const codec = preparedCodec("json", false, <D extends DescMessage>(desc: D): MessageCodec<D> => ({
    encode(message) {
      try {
        return encoder.encode(toJsonString(desc, create(desc, message), registry));
      } catch (error) {
        throw messageUnfit(desc, error);
      }
    },
    decode(bytes): MessageShape<D> {
      try {
        if (deeperThan(depth, bytes)) throw new Error(`JSON is deeper than ${depth}`);
        return fromJsonString(desc, decoder.decode(bytes), reading);
      } catch (error) {
        throw payloadMalformed(desc, error);
      }
    },
  }));
  return vouch(codec);
}

/** Is anything more than `limit` objects and lists deep? Asked before the parser, which would build it all, what is unknown included. */
function deeperThan(limit: number, bytes: Uint8Array): boolean {
  if (bytes.length <= limit * 2) return false; // each level takes two bytes
  let depth = 0;
  for (let at = 0; at < bytes.length; at++) {
    switch (bytes[at]) {
      case 34: // a string
        for (at++; at < bytes.length && bytes[at] !== 34; at++) if (bytes[at] === 92) at++;
        break;
      case 123: // {
      case 91: // [
        if (++depth > limit) return true;
        break;
      case 125: // }
      case 93: // ]
        depth--;
        break;
      default:
    }
  }
  return false;
}
