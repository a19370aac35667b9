// A codec writes and reads payloads; prepared once per message type.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { CONTRACT, type Part } from "./part.ts";

/** What a codec is made of. Hosts take it as `defineCodec` makes it, which holds it to its contract. */
export interface CodecDefinition {
  /** Both ends agree on a codec by it; "proto" and "json" are those of Raceway. */
  readonly name: string;
  /** Payloads are bytes that only a machine reads. If false they are UTF-8 JSON, and text batches show them as they are. */
  readonly binary: boolean;
  /** Prepared once per type: the same object for the same type. */
  of<D extends DescMessage>(desc: D): MessageCodec<D>;
}

declare const defined: unique symbol;

/** Made by `defineCodec`, `protoCodec` or `jsonCodec`. */
export interface Codec extends CodecDefinition, Part {
  /** In types only: so that no client gets what nobody holds to its contract. */
  readonly [defined]: true;
}
export interface MessageCodec<D extends DescMessage> {
  /** The caller owns the result. Throws ConnectError `invalid_argument` if the message does not fit its type; a number that its field cannot hold may also be refused only where it is read. */
  encode(message: MessageInitShape<D>): Uint8Array;
  /** Throws ConnectError `invalid_argument` with reason `payload_malformed`. Does not keep the bytes beyond the message's own byte fields. */
  decode(bytes: Uint8Array): MessageShape<D>;
}

/** A codec whose `of` remembers what `prepare` made for a type. */
export function preparedCodec(
  name: string,
  binary: boolean,
  prepare: <D extends DescMessage>(desc: D) => MessageCodec<D>,
): Codec {
  const prepared = new WeakMap<DescMessage, MessageCodec<DescMessage>>();
  const codec: Omit<Codec, typeof defined> = {
    name,
    contract: CONTRACT,
    binary,
    of<D extends DescMessage>(desc: D): MessageCodec<D> {
      let known = prepared.get(desc) as MessageCodec<D> | undefined;
      if (known === undefined) prepared.set(desc, (known = prepare(desc)));
      return known;
    },
  };
  return codec as Codec;
}
