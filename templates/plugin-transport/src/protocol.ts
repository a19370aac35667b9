// What travels on the socket: each batch behind its length, four bytes, big-endian. A length of 0 is the good end of a link.
import { fail, type LinkTraits } from "@raceway/core";
import type { ResolvedUnixOptions } from "./options.ts";

export const TRANSPORT = "unix";

export function traitsOf({ maxBatchBytes }: ResolvedUnixOptions): LinkTraits {
  return { binary: true, duplex: true, push: true, maxBatchBytes };
}

const HEAD_BYTES = 4;
const NOTHING: Buffer = Buffer.alloc(0);

/** The head of a batch. */
export function headOf(bytes: number): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32BE(bytes);
  return head;
}

export const GOODBYE: Buffer = headOf(0);

/** Cuts what arrives, in whatever pieces, back into batches. */
export class BatchReader {
  readonly #maxBatchBytes: number;
  /** What came and was not taken yet. The chunks of one batch are joined once, when it is complete. */
  #chunks: Buffer[] = [];
  #bytes = 0;

  constructor(maxBatchBytes: number) {
    this.#maxBatchBytes = maxBatchBytes;
  }

  add(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Is there a part of a batch left? */
  get midBatch(): boolean {
    return this.#bytes > 0;
  }

  /** The next whole batch, "goodbye", or undefined when more has to come first. Throws when the peer announces too much. */
  next(): Uint8Array | "goodbye" | undefined {
    if (this.#bytes < HEAD_BYTES) return undefined;
    if (this.#first.length < HEAD_BYTES) this.#join();
    const length = this.#first.readUInt32BE();
    if (length === 0) return "goodbye";
    if (length > this.#maxBatchBytes) throw fail("batch_too_large", { bytes: length, limit: this.#maxBatchBytes });
    if (this.#bytes < HEAD_BYTES + length) return undefined;
    if (this.#first.length < HEAD_BYTES + length) this.#join();
    const first = this.#first;
    // A window into memory that Node allocated for this chunk alone and never uses again, so the receiver may keep it.
    const batch = new Uint8Array(first.buffer, first.byteOffset + HEAD_BYTES, length);
    this.#chunks[0] = first.subarray(HEAD_BYTES + length);
    if (this.#chunks[0].length === 0) this.#chunks.shift();
    this.#bytes -= HEAD_BYTES + length;
    return batch;
  }

  get #first(): Buffer {
    return this.#chunks[0] ?? NOTHING;
  }

  #join(): void {
    this.#chunks = [Buffer.concat(this.#chunks, this.#bytes)];
  }
}
