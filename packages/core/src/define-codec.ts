// `defineCodec()`: makes a codec of what writes and reads one type, and sees to it that it holds to its contract.
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { type Codec, type CodecDefinition, type MessageCodec, preparedCodec } from "./codec.ts";
import { fail, reasonOf } from "./errors.ts";
import { CONTRACT } from "./part.ts";
import { messageUnfit, payloadMalformed } from "./payload-error.ts";

/** Codecs that hold to their contract. */
const sound = new WeakSet<object>();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** It is known to hold to its contract. */
export function vouch(codec: Codec): Codec {
  sound.add(codec);
  return codec;
}

/**
 * Makes a codec, and holds it to its contract: prepared once per type, errors as {@link MessageCodec} says, bytes written (of a codec that is not
 * binary, JSON) and messages read. What is a codec already stays as it is. Throws `plugin_contract`.
 */
export function defineCodec(codec: CodecDefinition & { readonly contract?: number }): Codec {
  if (sound.has(codec)) return codec as Codec;
  const { name, binary, contract = CONTRACT } = codec;
  if (contract !== CONTRACT) throw fail("plugin_contract", { plugin: name, contract: String(contract) });
  const made = preparedCodec(name, binary, <D extends DescMessage>(desc: D): MessageCodec<D> => {
    let own: MessageCodec<D> | undefined;
    return {
      encode(message) {
        let bytes: Uint8Array;
        try {
          bytes = (own ??= codec.of(desc)).encode(message);
        } catch (error) {
          throw error instanceof ConnectError && error.code === Code.InvalidArgument
            ? error
            : messageUnfit(desc, error);
        }
        try {
          // Not `instanceof`: bytes of another realm are bytes.
          if ((bytes as Uint8Array | undefined)?.BYTES_PER_ELEMENT !== 1)
            throw new Error(`the codec "${name}" wrote no bytes`);
          if (!binary) JSON.parse(decoder.decode(bytes));
        } catch (error) {
          throw payloadMalformed(desc, error);
        }
        return bytes;
      },
      decode(bytes) {
        try {
          const message = (own ??= codec.of(desc)).decode(bytes);
          if ((message as Message | undefined)?.$typeName !== desc.typeName)
            throw new Error(`the codec "${name}" read something else`);
          return message;
        } catch (error) {
          throw reasonOf(error) === "payload_malformed" ? error : payloadMalformed(desc, error);
        }
      },
    };
  });
  return vouch(made);
}
