// The codec "proto": protobuf's binary form.
import { type DescMessage, type MessageShape, create, fromBinary, toBinary } from "@bufbuild/protobuf";
import type { Codec, MessageCodec } from "./codec.ts";
import { CONTRACT } from "./part.ts";
import { messageUnfit, payloadMalformed } from "./payload-error.ts";
import { encodeFast } from "./proto-encoder.ts";

export interface ProtoCodecOptions {
  /** Messages within each other that are read, as `limits.protobufDepth`; 100 unless said. */
  readonly protobufDepth?: number;
  /** Decodes what it knows faster than protobuf does; undefined is "ask protobuf". Servers give one (`decodeFast`), pages do without its code. */
  readonly decoder?: (desc: DescMessage, bytes: Uint8Array, protobufDepth: number) => object | undefined;
}

/** Small results share memory with those before and after: what keeps many for long should copy them. */
export function protoCodec(options: ProtoCodecOptions = {}): Codec {
  const { protobufDepth: recursionLimit = 100, decoder } = options;
  const prepared = new WeakMap<DescMessage, MessageCodec<DescMessage>>();
  return {
    name: "proto",
    contract: CONTRACT,
    binary: true,
    of<D extends DescMessage>(desc: D): MessageCodec<D> {
      const known = prepared.get(desc) as MessageCodec<D> | undefined;
      if (known !== undefined) return known;
      // Not by `preparedCodec`, which would cost a page more than it saves here.
      const codec: MessageCodec<D> = {
        encode(message) {
          const bytes = encodeFast(desc, message);
          if (bytes !== undefined) return bytes;
          try {
            return toBinary(desc, create(desc, message));
          } catch (error) {
            throw messageUnfit(desc, error);
          }
        },
        decode(bytes): MessageShape<D> {
          const message = decoder?.(desc, bytes, recursionLimit);
          if (message !== undefined) return message as MessageShape<D>;
          try {
            return fromBinary(desc, bytes, { recursionLimit });
          } catch (error) {
            throw payloadMalformed(desc, error);
          }
        },
      };
      prepared.set(desc, codec);
      return codec;
    },
  } as Codec;
}
