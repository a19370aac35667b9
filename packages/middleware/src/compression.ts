// Compression in Node. Of batches: what a topic says once for all its subscribers, with a dictionary of its own; large calls one by one. And of
// calls at native doors, as their protocols have it.
//
// "deflate" is raw (RFC 1951), and a dictionary is what was output before: a page's own decompressor takes that, too, so one form serves all.
import {
  brotliCompressSync,
  brotliDecompressSync,
  constants,
  deflateRawSync,
  deflateSync,
  gunzipSync,
  gzipSync,
  inflateRawSync,
  inflateSync,
  zstdCompressSync,
  zstdDecompressSync,
} from "node:zlib";
import type { Compression } from "@connectrpc/connect/protocol";
import { type BatchCoder, type Plugin, type SharedCoder, batchStation, definePlugin, fail } from "@raceway/core";
import { type AlgorithmName, type CompressionOptions, type Resolved, resolve } from "./compression-options.ts";

/** From so many bytes on speed counts for more than size: they are compressed within the turn of the event loop. */
const LARGE_BYTES = 16_384;
/** From so many readers on size counts for more than speed. */
const MANY_READERS = 32;

interface Algorithm {
  readonly takesDictionary: boolean;
  /** For so many readers. */
  encode(bytes: Uint8Array, audience: number, dictionary: Uint8Array | undefined): Uint8Array;
  decode(bytes: Uint8Array, maxOutputLength: number, dictionary: Uint8Array | undefined): Uint8Array;
}

const algorithms: Readonly<Record<AlgorithmName, Algorithm>> = {
  deflate: {
    takesDictionary: true,
    encode: (bytes, _audience, dictionary) =>
      deflateRawSync(bytes, { level: bytes.length < LARGE_BYTES ? 6 : 1, ...(dictionary && { dictionary }) }),
    decode: (bytes, maxOutputLength, dictionary) =>
      inflateRawSync(bytes, { maxOutputLength, ...(dictionary && { dictionary }) }),
  },
  zstd: {
    takesDictionary: true,
    encode: (bytes, audience, dictionary) =>
      zstdCompressSync(bytes, {
        params: {
          [constants.ZSTD_c_compressionLevel]: bytes.length >= LARGE_BYTES ? 3 : audience < MANY_READERS ? 6 : 12,
          [constants.ZSTD_c_contentSizeFlag]: 0, // the frame around it says enough
          [constants.ZSTD_c_dictIDFlag]: 0,
        },
        ...(dictionary && { dictionary }),
      }),
    decode: (bytes, maxOutputLength, dictionary) =>
      zstdDecompressSync(bytes, { maxOutputLength, ...(dictionary && { dictionary }) }),
  },
  br: {
    takesDictionary: false,
    encode: (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
    decode: (bytes, maxOutputLength) => brotliDecompressSync(bytes, { maxOutputLength }),
  },
  gzip: {
    takesDictionary: false,
    encode: (bytes) => gzipSync(bytes, { level: bytes.length < LARGE_BYTES ? 6 : 1 }),
    decode: (bytes, maxOutputLength) => gunzipSync(bytes, { maxOutputLength }),
  },
};

const zlibFormat: Pick<Algorithm, "encode" | "decode"> = {
  encode: (bytes) => deflateSync(bytes, { level: bytes.length < LARGE_BYTES ? 6 : 1 }),
  decode: (bytes, maxOutputLength) => inflateSync(bytes, { maxOutputLength }),
};

/** Compresses on links whose other end has it, too, over every transport that carries binary, and calls at native doors whose clients take it. Throws `option_invalid`. */
export function compression(given: CompressionOptions = {}): Plugin {
  const options = resolve(given);
  return definePlugin({
    name: "compression",
    start: () => ({
      batch: batchStation({
        wireNames: options.algorithms,
        open: (name) => coder(algorithms[name as AlgorithmName], options),
        share: (name) => new TopicCoder(algorithms[name as AlgorithmName], options),
      }),
      doors: { algorithms: options.algorithms.map((name) => doorCoder(name)), minBytes: options.minBytes },
    }),
  });
}

function coder(algorithm: Algorithm, { minBytes }: Resolved): BatchCoder {
  return {
    encode(parts) {
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      if (bytes < minBytes) return undefined;
      return algorithm.encode(parts.length === 1 ? parts[0]! : Buffer.concat(parts), 1, undefined);
    },
    decode(coded, maxBytes, dictionary) {
      if (maxBytes < 1) throw new RangeError("nothing more may come");
      const plain = algorithm.decode(coded, maxBytes, dictionary);
      return new Uint8Array(plain.buffer, plain.byteOffset, plain.length); // a Buffer's `slice` would not copy
    },
  };
}

/** How many times as large as it came a message at a door may become, and to how many bytes it always may: no honest gzip gains more (RFC 1951 allows 1,032). */
const EXPANDS_BY = 1_000;
const EXPANDS_ALWAYS = 65_536;

/** At a door "deflate" is the zlib format (RFC 9110, 8.4.1.2; gRPC takes it so, too), where links have it raw. */
function doorCoder(name: AlgorithmName): Compression {
  const { encode, decode } = name === "deflate" ? zlibFormat : algorithms[name];
  return {
    name,
    compress: async (bytes) => encode(bytes, 1, undefined) as Uint8Array<ArrayBuffer>,
    async decompress(bytes, messageBytes) {
      if (bytes.length === 0) return new Uint8Array(0);
      // A stream of tiny messages that each become the most there is would cost its sender nothing.
      const limit = Math.min(messageBytes, Math.max(EXPANDS_ALWAYS, bytes.length * EXPANDS_BY));
      try {
        // Zero would be "no limit" to zlib.
        const plain = decode(bytes, Math.max(1, limit), undefined) as Uint8Array<ArrayBuffer>;
        if (plain.length <= limit) return plain;
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== "ERR_BUFFER_TOO_LARGE") throw fail("compressed_malformed", { algorithm: name, detail: message });
      }
      throw fail("compressed_too_large", { bytes: bytes.length, limit });
    },
  };
}

class TopicCoder implements SharedCoder {
  readonly #algorithm: Algorithm;
  readonly #minBytes: number;
  readonly #dictionaryBytes: number;
  /** Undefined once the dictionary is made, or where there will be none. */
  #heard: Uint8Array[] | undefined;
  #heardBytes = 0;
  #plain: Uint8Array | undefined;
  dictionary: { readonly coded: Uint8Array } | undefined;

  constructor(algorithm: Algorithm, { minBytes, dictionaryBytes }: Resolved) {
    this.#algorithm = algorithm;
    this.#minBytes = minBytes;
    this.#dictionaryBytes = dictionaryBytes;
    this.#heard = algorithm.takesDictionary && dictionaryBytes > 0 ? [] : undefined;
  }

  encode(group: Uint8Array, audience: number): Uint8Array | undefined {
    if (this.#plain === undefined && group.length < this.#minBytes) return undefined;
    return this.#algorithm.encode(group, audience, this.#plain);
  }

  said(group: Uint8Array): void {
    const heard = this.#heard;
    if (heard === undefined) return;
    // Copies, for a part may hold on to more memory than it is.
    heard.push(group.slice(0, this.#dictionaryBytes));
    this.#heardBytes += Math.min(group.length, this.#dictionaryBytes);
    if (this.#heardBytes < this.#dictionaryBytes) return;
    this.#heard = undefined;
    const all = Buffer.concat(heard);
    this.#plain = new Uint8Array(all.subarray(all.length - this.#dictionaryBytes));
    this.dictionary = { coded: this.#algorithm.encode(this.#plain, MANY_READERS, undefined) };
  }
}
