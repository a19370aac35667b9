// What happened in a world, as one number to compare and, if it was asked for, as lines to read.

export class Trace {
  /** Undefined: nobody wants to read it. */
  readonly lines: string[] | undefined;
  /** Things noted. */
  length = 0;
  readonly #now: () => number;
  readonly #names = new Map<string, number>();
  #a = 0x811c_9dc5;
  #b = 0x1000_193;

  constructor(now: () => number, readable: boolean) {
    this.#now = now;
    this.lines = readable ? [] : undefined;
  }

  /** `what` happened at `where`; `amount` is whatever tells two such things apart. */
  note(what: string, where: string, amount = 0): void {
    this.length++;
    const now = this.#now();
    this.#mix(this.#code(what));
    this.#mix(this.#code(where));
    this.#mix(amount | 0);
    this.#mix((now * 1000) | 0);
    this.lines?.push(`${time(now)}  ${where.padEnd(14)} ${what}${amount === 0 ? "" : ` ${amount}`}`);
  }

  /** More for the reader alone; not part of the hash, and not made unless somebody reads. */
  tell(where: string, text: () => string): void {
    this.lines?.push(`${time(this.#now())}  ${where.padEnd(14)} ${text()}`);
  }

  /** 64 bits over all that was noted, in its order. */
  get hash(): string {
    return hex(this.#a) + hex(this.#b);
  }

  #code(name: string): number {
    let code = this.#names.get(name);
    if (code === undefined) {
      code = 17;
      for (let at = 0; at < name.length; at++) code = Math.imul(code, 31) + name.charCodeAt(at);
      this.#names.set(name, code);
    }
    return code;
  }

  #mix(word: number): void {
    // Two lanes of FNV-1a with a rotation each, so that order and high bits count.
    this.#a = Math.imul(this.#a ^ word, 0x0100_0193);
    this.#a ^= this.#a >>> 15;
    this.#b = Math.imul(this.#b ^ ((word << 13) | (word >>> 19)), 0x85eb_ca6b);
    this.#b ^= this.#b >>> 13;
  }
}

const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, "0");
const time = (ms: number): string => (ms / 1000).toFixed(6).padStart(12);
