// Batches in the bodies of HTTP requests and answers, for transports that go by them.
import { fail } from "./errors.ts";

export const BATCHES_TYPE = "application/vnd.raceway";
/** Neither type is one that pages may send across origins without asking first. */
export const TEXT_BATCHES_TYPE = "application/vnd.raceway.text";

/** Batches are joined in one body up to this size; a larger one travels alone. */
const JOIN_BYTES = 262_144;
/** Longest length prefix: 10 digits and a line end. */
const PREFIX_BYTES = 11;

/** One batch that waits to be sent. */
export interface WaitingBatch {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** Largest body with batches up to `maxBatchBytes`. */
export function maxBodyBytes(maxBatchBytes: number): number {
  return Math.max(maxBatchBytes + PREFIX_BYTES, JOIN_BYTES);
}

/** Takes from the queue what fits into one body. */
export function takeBatches(queue: WaitingBatch[]): WaitingBatch[] {
  let count = 0;
  let bytes = 0;
  for (const batch of queue) {
    bytes += batch.bytes + PREFIX_BYTES;
    if (count > 0 && bytes > JOIN_BYTES) break;
    count++;
  }
  return queue.splice(0, count);
}

/** A body of batches, each behind its length: a varint in binary, a line of decimal digits in text. */
export function writeBatches(batches: readonly WaitingBatch[], text: boolean): Uint8Array {
  let room = 0;
  for (const batch of batches) room += batch.bytes + PREFIX_BYTES;
  const body = new Uint8Array(room);
  let at = 0;
  for (const batch of batches) {
    at = text ? writeDecimal(body, at, batch.bytes) : writeVarint(body, at, batch.bytes);
    for (const part of batch.parts) {
      body.set(part, at);
      at += part.byteLength;
    }
  }
  return body.subarray(0, at);
}

/** Takes a body apart; the batches are windows into it. Throws `request_malformed` or `batch_too_large`. */
export function readBatches(body: Uint8Array, text: boolean, maxBatchBytes: number, transport: string): Uint8Array[] {
  const malformed = (detail: string): Error => fail("request_malformed", { transport, detail });
  const batches: Uint8Array[] = [];
  for (let at = 0; at < body.byteLength;) {
    let bytes = 0;
    let digits = 0;
    for (let more = true; more; digits++) {
      const byte = body[at++];
      if (byte === undefined || digits > (text ? PREFIX_BYTES - 1 : 4))
        throw malformed("a length prefix is cut off or too long");
      if (text) {
        if (byte === 10 && digits > 0) more = false;
        else if (byte >= 48 && byte <= 57) bytes = bytes * 10 + byte - 48;
        else throw malformed("a length prefix is not a number");
      } else {
        bytes += (byte & 0x7f) * 2 ** (7 * digits);
        more = byte >= 0x80;
      }
    }
    if (bytes > maxBatchBytes) throw fail("batch_too_large", { bytes, limit: maxBatchBytes });
    if (bytes > body.byteLength - at)
      throw malformed(`a batch of ${bytes} bytes is cut off after ${body.byteLength - at}`);
    if (bytes > 0) batches.push(body.subarray(at, at + bytes));
    at += bytes;
  }
  return batches;
}

/**
 * Reads an answer's body within a limit: what a server says of its length is not to be relied on. `heard` is called for each piece. Rejects with `body_too_large`, or with what
 * the platform says when the connection breaks.
 */
export async function readAnswer(
  response: Response,
  maxBytes: number,
  heard: () => void = () => {},
): Promise<Uint8Array> {
  if (response.body === null) return new Uint8Array(0);
  const reader = (response.body as ReadableStream<Uint8Array>).getReader();
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    heard();
    if (bytes > maxBytes) {
      void reader.cancel().catch(() => {}); // the error below says it all
      throw fail("body_too_large", { bytes, limit: maxBytes });
    }
    chunks.push(value);
  }
  if (chunks.length === 1) return chunks[0]!;
  const body = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    body.set(chunk, at);
    at += chunk.byteLength;
  }
  return body;
}

function writeVarint(into: Uint8Array, at: number, value: number): number {
  while (value >= 0x80) {
    into[at++] = (value & 0x7f) | 0x80;
    value >>>= 7;
  }
  into[at++] = value;
  return at;
}

function writeDecimal(into: Uint8Array, at: number, value: number): number {
  const digits = String(value);
  for (let each = 0; each < digits.length; each++) into[at++] = digits.charCodeAt(each);
  into[at++] = 10;
  return at;
}
