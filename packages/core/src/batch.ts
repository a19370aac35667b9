// Batches: what a link carries in one piece, binary or text, whole or in parts.
import { readJsonFrames } from "./frame-json.ts";
import { readFrames } from "./frame-reader.ts";
import type { Frame } from "./frame.ts";
import { malformed } from "./varint.ts";

export { countedFrames, joinParts, skipCounted } from "./frame-walk.ts";

/** Size of the batch that the parts are. */
export function bytesOf(parts: readonly Uint8Array[]): number {
  let bytes = 0;
  for (const part of parts) bytes += part.length;
  return bytes;
}

/**
 * The bytes, to be kept for long: a copy if they hold on to much more memory than they are, as parts of a batch and small results of codecs do.
 */
export function ownBytes(bytes: Uint8Array): Uint8Array {
  return bytes.buffer.byteLength > bytes.length * 2 + 64 ? bytes.slice() : bytes;
}

/** Is it a batch in text? A batch without frames is both. */
export function isTextBatch(batch: Uint8Array): boolean {
  return batch[0] === 0x7b; // "{"
}

/** Reads a batch in either form; the first byte tells. Throws `frame_malformed`; frames before the fault have been handed over by then. */
export function readBatch(
  batch: Uint8Array,
  limits: { readonly jsonDepth: number },
  each: (frame: Frame) => void,
): void {
  if (batch.length === 0) return;
  if (batch[0] === 0x0a) readFrames(batch, each);
  else if (isTextBatch(batch)) readJsonFrames(batch, limits, each);
  else throw malformed(0, "a batch begins with 0x0A or with {");
}
