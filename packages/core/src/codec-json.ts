// The codec "json": protobuf's JSON form, in UTF-8.
import { type DescMessage, type MessageShape, create, fromJsonString, toJsonString } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Codec, MessageCodec } from "./codec.ts";
import { fail } from "./errors.ts";
import { CONTRACT } from "./part.ts";

/** Makes the codec. `jsonDepth`: objects and lists within each other that are read, as `limits.jsonDepth`. */
export function jsonCodec(limits: { readonly jsonDepth?: number } = {}): Codec {
  const recursionLimit = limits.jsonDepth ?? 64;
  const prepared = new WeakMap<DescMessage, MessageCodec<DescMessage>>();
  const encoder = new TextEncoder();
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  return {
    name: "json",
    contract: CONTRACT,
    binary: false,
    of<D extends DescMessage>(desc: D): MessageCodec<D> {
      let codec = prepared.get(desc) as MessageCodec<D> | undefined;
      if (codec === undefined) {
        codec = {
          encode: (message) => {
            try {
              return encoder.encode(toJsonString(desc, create(desc, message)));
            } catch (error) {
              throw new ConnectError(
                `Message does not fit ${desc.typeName}: ${(error as Error).message}`,
                Code.InvalidArgument,
              );
            }
          },
          decode: (bytes): MessageShape<D> => {
            try {
              return fromJsonString(desc, decoder.decode(bytes), { ignoreUnknownFields: true, recursionLimit });
            } catch (error) {
              throw fail("payload_malformed", { type: desc.typeName, detail: (error as Error).message });
            }
          },
        };
        prepared.set(desc, codec as unknown as MessageCodec<DescMessage>);
      }
      return codec;
    },
  };
}
