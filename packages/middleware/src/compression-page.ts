// Compression of batches, in a page: by the browser's own streams, which take their time; the session keeps the order.
import { type BatchCoder, type Plugin, batchStation, definePlugin } from "@raceway/core";
import { type CompressionOptions, resolve } from "./compression-options.ts";

/** Largest stored block of deflate. */
const MAX_BLOCK_BYTES = 65_535;
const formats: Readonly<Record<string, CompressionFormat>> = { deflate: "deflate-raw", gzip: "gzip" };

/** As in Node, with the algorithms that the browser has: deflate and gzip, or none. Throws `option_invalid`. */
export function compression(given: CompressionOptions = {}): Plugin {
  const { algorithms, minBytes } = resolve(given);
  const wireNames = algorithms.filter((name) => isThere(formats[name]));
  return definePlugin({
    name: "compression",
    start: () =>
      wireNames.length === 0
        ? {}
        : { batch: batchStation({ wireNames, open: (name) => coder(formats[name]!, minBytes) }) },
  });
}

function isThere(format: CompressionFormat | undefined): boolean {
  if (format === undefined) return false;
  try {
    void [new DecompressionStream(format), new CompressionStream(format)];
    return true;
  } catch {
    return false;
  }
}

function coder(format: CompressionFormat, minBytes: number): BatchCoder {
  return {
    encode(parts) {
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      return bytes < minBytes ? undefined : run(new CompressionStream(format), parts, 0, Infinity);
    },
    decode: (coded, maxBytes, dictionary) =>
      dictionary === undefined
        ? run(new DecompressionStream(format), [coded], 0, maxBytes)
        : run(new DecompressionStream(format), [stored(dictionary), coded], dictionary.length, maxBytes),
  };
}

/** A dictionary is what was output before. Streams take none, but stored blocks, which they output: the same, and is skipped. */
function stored(dictionary: Uint8Array): Uint8Array {
  const length = Math.min(dictionary.length, MAX_BLOCK_BYTES);
  const block = new Uint8Array(5 + length);
  block.set([0, length & 255, length >> 8, ~length & 255, (~length >> 8) & 255]);
  block.set(dictionary.subarray(0, length), 5);
  return block;
}

/** All that comes out behind the first `skip` bytes; a RangeError as soon as that is more than `most`. */
async function run(
  stream: CompressionStream | DecompressionStream,
  parts: readonly Uint8Array[],
  skip: number,
  most: number,
): Promise<Uint8Array> {
  const writer = stream.writable.getWriter();
  const writing = (async (): Promise<void> => {
    for (const part of parts) await writer.write(part as Uint8Array<ArrayBuffer>);
    await writer.close();
  })();
  writing.catch(() => {}); // the reader meets the same error
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = stream.readable.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    chunks.push(next.value);
    bytes += next.value.length;
    if (bytes <= skip + most) continue;
    reader.cancel().catch(() => {});
    throw new RangeError("it becomes too large");
  }
  await writing;
  const all = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all.subarray(skip);
}
