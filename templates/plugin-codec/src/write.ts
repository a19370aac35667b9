// A value of JSON as CBOR: the shortest head, numbers as integers where they are whole, else in double precision.
import type { JsonValue } from "@bufbuild/protobuf";

const encoder = new TextEncoder();

/** Throws if it is deeper than `maxDepth`. The bytes are the caller's: none are used twice. */
export function writeCbor(value: JsonValue, maxDepth: number): Uint8Array {
  const writer = new Writer();
  writer.value(value, maxDepth);
  return writer.bytes.slice(0, writer.length);
}

class Writer {
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(256);
  length = 0;

  value(value: JsonValue, depth: number): void {
    if (value === null) this.#head(7, 22);
    else if (value === false) this.#head(7, 20);
    else if (value === true) this.#head(7, 21);
    else if (typeof value === "string") this.#text(value);
    else if (typeof value === "number") this.#number(value);
    else if (depth === 0) throw new RangeError("it is too deep");
    else if (Array.isArray(value)) {
      this.#head(4, value.length);
      for (const item of value) this.value(item, depth - 1);
    } else {
      const entries = Object.entries(value);
      this.#head(5, entries.length);
      for (const [key, item] of entries) {
        this.#text(key);
        this.value(item, depth - 1);
      }
    }
  }

  #number(value: number): void {
    if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
      if (value >= 0) this.#head(0, value);
      else this.#head(1, -1 - value);
      return;
    }
    const at = this.#room(9);
    this.bytes[at] = 0xfb;
    new DataView(this.bytes.buffer).setFloat64(at + 1, value);
  }

  #text(text: string): void {
    const bytes = encoder.encode(text);
    this.#head(3, bytes.length);
    const at = this.#room(bytes.length); // may change `bytes`
    this.bytes.set(bytes, at);
  }

  /** A kind of value, and a number up to 2^53: its length, its count, or itself. */
  #head(kind: number, number: number): void {
    const size = number < 24 ? 0 : number < 0x100 ? 1 : number < 0x1_0000 ? 2 : number < 0x1_0000_0000 ? 4 : 8;
    const at = this.#room(1 + size);
    this.bytes[at] = (kind << 5) | (size === 0 ? number : 24 + Math.log2(size));
    for (let byte = size, rest = number; byte > 0; byte--, rest = Math.floor(rest / 256))
      this.bytes[at + byte] = rest & 255;
  }

  /** Where the next `count` bytes go; may put other memory in place of `bytes`. */
  #room(count: number): number {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const larger = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      larger.set(this.bytes);
      this.bytes = larger;
    }
    return at;
  }
}
