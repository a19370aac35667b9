// A codec for tests: protobuf's bytes backwards, which no other codec can read. It counts, and can be made to fail.
import type { DescMessage } from "@bufbuild/protobuf";
import { type Codec, type CodecDefinition, defineCodec, protoCodec } from "@raceway/core";

export interface MirrorCodec extends Codec {
  /** Names of the types written and read, in order. */
  readonly written: string[];
  readonly read: string[];
}

/** `broken`: what stands in place of its own. */
export function mirrorCodec(broken: (desc: DescMessage) => object = () => ({}), more: object = {}): MirrorCodec {
  const written: string[] = [];
  const read: string[] = [];
  const proto = protoCodec();
  const definition: CodecDefinition = {
    name: "mirror",
    binary: true,
    of: (desc) => ({
      encode(message) {
        written.push(desc.name);
        return proto.of(desc).encode(message).toReversed();
      },
      decode(bytes) {
        read.push(desc.name);
        return proto.of(desc).decode(bytes.toReversed());
      },
      ...broken(desc),
    }),
    ...more,
  };
  return Object.assign(defineCodec(definition), { written, read });
}
