// The codec "proto": protobuf's binary form.
import { type DescMessage, type MessageShape, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import type { Codec, MessageCodec } from "./codec.ts";
import { fail } from "./errors.ts";
import { CONTRACT } from "./part.ts";
import { encodeFast } from "./proto-encoder.ts";

/** Makes the codec. `protobufDepth`: messages within messages that are read, as `limits.protobufDepth`. */
export function protoCodec(limits: { readonly protobufDepth?: number } = {}): Codec {
  const recursionLimit = limits.protobufDepth ?? 100;
  const prepared = new WeakMap<DescMessage, MessageCodec<DescMessage>>();
  return {
    name: "proto",
    contract: CONTRACT,
    binary: true,
    of<D extends DescMessage>(desc: D): MessageCodec<D> {
      let codec = prepared.get(desc) as MessageCodec<D> | undefined;
      if (codec === undefined) {
        codec = {
          encode: (message) => {
            try {
              return encodeFast(desc, message) ?? toBinary(desc, create(desc, message));
            } catch (error) {
              throw new ConnectError(
                `Message does not fit ${desc.typeName}: ${(error as Error).message}`,
                Code.InvalidArgument,
              );
            }
          },
          decode: (bytes): MessageShape<D> => {
            try {
              return fromBinary(desc, bytes, { recursionLimit });
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
