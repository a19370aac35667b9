// A codec writes and reads payloads; prepared once per message type.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Part } from "./part.ts";

export interface Codec extends Part {
  /** Payloads are bytes that only a machine reads. If false they are UTF-8 JSON, and text batches show them as they are. */
  readonly binary: boolean;
  /** Prepared once per type: the same object for the same type. */
  of<D extends DescMessage>(desc: D): MessageCodec<D>;
}
export interface MessageCodec<D extends DescMessage> {
  /** The caller owns the result. Throws ConnectError `invalid_argument` if the message does not fit its type. */
  encode(message: MessageInitShape<D>): Uint8Array;
  /** Throws ConnectError `invalid_argument` with reason `payload_malformed`. Does not keep the bytes beyond the message's own byte fields. */
  decode(bytes: Uint8Array): MessageShape<D>;
}
