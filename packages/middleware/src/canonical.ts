// The one form of a message in bytes that both ends of a signature come to, whatever codec and door it came by.
import type { DescMessage } from "@bufbuild/protobuf";
import { inFieldOrder, protoCodec } from "@raceway/core";

const codec = protoCodec();

/**
 * Protobuf's binary form with fields in the order of their numbers and entries of maps in the order of their bytes, in messages within it, too. So what a receiver does not know is
 * where its sender had it. Without the top-level field `without`.
 */
export function canonicalBytes(desc: DescMessage, message: unknown, without = 0): Uint8Array {
  return inFieldOrder(desc, codec.of(desc).encode(message as never), { without, sortMaps: true });
}

export function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
