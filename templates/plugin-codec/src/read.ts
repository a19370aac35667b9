// CBOR as a value of JSON. It comes from anybody: every length is held against what is there before anything is made of it.
import type { JsonValue } from "@bufbuild/protobuf";

const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Throws if it is not exactly one value, of the kinds that JSON has, at most `maxDepth` deep. Keeps none of the bytes. */
export function readCbor(bytes: Uint8Array, maxDepth: number): JsonValue {
  const reader = new Reader(bytes);
  const value = reader.value(maxDepth);
  if (reader.left > 0) throw new RangeError(`${reader.left} bytes follow the value`);
  return value;
}

class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  get left(): number {
    return this.#bytes.length - this.#at;
  }

  value(depth: number): JsonValue {
    const head = this.#view.getUint8(this.#take(1));
    const kind = head >> 5;
    if (kind === 7) return this.#simple(head & 31);
    const number = this.#number(head & 31);
    switch (kind) {
      case 0:
        return number;
      case 1:
        return -1 - number;
      case 3:
        return this.#text(number);
      case 4:
        return this.#array(number, depth);
      case 5:
        return this.#map(number, depth);
      default:
        throw new TypeError(`values of kind ${kind} are not read`);
    }
  }

  #simple(which: number): JsonValue {
    switch (which) {
      case 20:
        return false;
      case 21:
        return true;
      case 22:
        return null;
      case 26:
        return this.#view.getFloat32(this.#take(4));
      case 27:
        return this.#view.getFloat64(this.#take(8));
      default:
        throw new TypeError(`the simple value ${which} is not read`);
    }
  }

  #number(short: number): number {
    if (short < 24) return short;
    if (short > 27) throw new RangeError("lengths that come later are not read");
    let number = 0;
    for (let left = 2 ** (short - 24); left > 0; left--) number = number * 256 + this.#view.getUint8(this.#take(1));
    if (number > Number.MAX_SAFE_INTEGER) throw new RangeError("a number is above 2^53");
    return number;
  }

  #text(length: number): string {
    const from = this.#take(length);
    return decoder.decode(this.#bytes.subarray(from, from + length));
  }

  #array(count: number, depth: number): JsonValue {
    this.#check(count, depth);
    const items: JsonValue[] = [];
    for (let at = 0; at < count; at++) items.push(this.value(depth - 1));
    return items;
  }

  #map(count: number, depth: number): JsonValue {
    this.#check(count * 2, depth);
    const entries = new Map<string, JsonValue>();
    for (let at = 0; at < count; at++) {
      const key = this.value(0);
      if (typeof key !== "string" || entries.has(key)) throw new TypeError("a key is no text, or comes twice");
      entries.set(key, this.value(depth - 1));
    }
    return Object.fromEntries(entries); // as properties of its own, "__proto__" too
  }

  /** Each of so many values takes a byte at least. */
  #check(values: number, depth: number): void {
    if (depth === 0) throw new RangeError("it is too deep");
    if (values > this.left) throw new RangeError(`${values} values cannot be in ${this.left} bytes`);
  }

  /** Where the next `count` bytes are. */
  #take(count: number): number {
    if (count > this.left) throw new RangeError("it is cut off");
    this.#at += count;
    return this.#at - count;
  }
}
