// What the coders of one link do to its batches, both ways, in order even where a coder takes its time.
import { ConnectError } from "@connectrpc/connect";
import type { BatchCoder, BatchStation, SharedGroup } from "./batch-station.ts";
import { bytesOf, joinParts, ownBytes } from "./batch.ts";
import { middlewareReasons } from "./errors-middleware.ts";
import { fail, learn } from "./errors.ts";
import { encodeFrame } from "./frame-binary.ts";
import { readFrames } from "./frame-reader.ts";
import { FRAME_TAG } from "./frame-walk.ts";
import { type CodedFrame, FRAME_NUMBER, type Frame } from "./frame.ts";
import type { Limits } from "./limits.ts";
import type { SessionLink } from "./session-link.ts";
import { type Cursor, readVarint } from "./varint.ts";

// Said here, so that a bundler keeps them.
learn(middlewareReasons);

/** Begins to code a link, with the coders that its Welcome names. Throws `frame_unexpected` if one of them is not there. */
export type CodeLink = (
  link: SessionLink,
  stations: readonly BatchStation[],
  names: readonly string[],
  limits: Limits,
  side: "client" | "server",
) => LinkCoding;

/** A coded piece becomes at most so many times as large... */
const RATIO = 100;
/** ...or so large, whatever it was: with a dictionary a dozen bytes may well be an event of some kilobytes. */
const SMALL_BYTES = 4_096;
/** Dictionaries of one link, and their size: as wire.proto says. */
const MAX_DICTIONARIES = 256;
const MAX_DICTIONARY_BYTES = 32_768;
/** Bytes that may wait for a coder before the session is to stop. */
const HIGH_WATER_BYTES = 65_536;
const CODED_TAG = (FRAME_NUMBER.coded << 3) | 2;
const nothing = new Uint8Array(0);
type Parts = readonly Uint8Array[];

/** A coded piece as a frame; undefined: sent plain it is smaller, or the other side would take it for a bomb. */
export function codedFrame(
  coder: number,
  dictionary: number,
  plainBytes: number,
  data: Uint8Array,
): Uint8Array | undefined {
  if (plainBytes > Math.max(SMALL_BYTES, data.length * RATIO)) return undefined;
  const frame = encodeFrame({ kind: "coded", coder, dictionary, data, defines: 0 });
  return frame.length < plainBytes ? frame : undefined;
}

/** The frame that defines a dictionary of the first coder. Without data: it is not needed any more. */
export function dictionaryFrame(defines: number, data: Uint8Array): Uint8Array {
  return encodeFrame({ kind: "coded", coder: 0, dictionary: 0, data, defines });
}

/** The coders of a link: of each station the first that the client has, too. */
export function chooseCoders(stations: readonly BatchStation[], offered: readonly string[]): readonly string[] {
  return stations.flatMap(({ wireNames }) => offered.find((name) => wireNames.includes(name)) ?? []);
}

export const codeLink: CodeLink = (link, stations, names, limits, side) => {
  const coders = names.map((name) => {
    const station = stations.find(({ wireNames }) => wireNames.includes(name));
    if (station === undefined || link.text)
      throw fail("frame_unexpected", { frame: "welcome", state: "with a coder that was not offered" });
    return station.open(name);
  });
  const first = stations.find(({ wireNames }) => wireNames.includes(names[0]!));
  const shared = side === "server" && first?.share !== undefined ? names[0] : undefined;
  return new LinkCoding(link, coders, shared, limits.decodedBytes, side === "client");
};

export class LinkCoding {
  readonly #link: SessionLink;
  readonly #coders: readonly BatchCoder[];
  /** Name of the coder by which groups come coded already. */
  readonly #shared: string | undefined;
  readonly #decodedBytes: number;
  readonly #takesDictionaries: boolean;
  /** Sender: numbers of the dictionaries that the other side has, the oldest first. */
  #told: Set<number> | undefined;
  #dictionaries: Map<number, Uint8Array> | undefined;
  /** While a batch is being decoded: what came after it. */
  #inbox: Uint8Array[] | undefined;
  #closed: (() => void) | undefined;
  /** While a batch is being encoded: it, and what is to be sent after it. */
  #outbox: Promise<readonly Uint8Array[]>[] | undefined;
  #waitingBytes = 0;
  #closing = false;
  /** The session was told to stop, and waits for `drain`. */
  #stopped = false;

  constructor(
    link: SessionLink,
    coders: readonly BatchCoder[],
    shared: string | undefined,
    decodedBytes: number,
    takesDictionaries: boolean,
  ) {
    this.#link = link;
    this.#coders = coders;
    this.#shared = shared;
    this.#decodedBytes = decodedBytes;
    this.#takesDictionaries = takesDictionaries;
  }

  // ---- sending

  /** The parts of a group for this link, `most` bytes at most: coded once for all where that can be. */
  group(group: SharedGroup, most: number): readonly Uint8Array[] {
    const coded = this.#shared === undefined ? undefined : group.coded?.(this.#shared);
    if (coded === undefined) return group.parts;
    const { dictionary } = coded;
    if (dictionary === undefined || this.#told?.has(dictionary.id) === true) return coded.parts;
    if (dictionary.frame.length + bytesOf(coded.parts) > most) return group.parts;
    const told = (this.#told ??= new Set());
    const frames = [dictionary.frame];
    if (told.size >= MAX_DICTIONARIES) {
      const [oldest] = told;
      told.delete(oldest!);
      frames.unshift(dictionaryFrame(oldest!, nothing));
    }
    told.add(dictionary.id);
    return [...frames, ...coded.parts];
  }

  /** Sends a batch; the first `own` parts are for this link alone, the others are groups. False: stop until the link's `drain`. */
  send(parts: readonly Uint8Array[], own: number): boolean {
    try {
      return this.#send(this.#encode(parts, own), parts);
    } catch (error) {
      void Promise.resolve().then(() => this.#refuse(error)); // not from within a flush
      return false;
    }
  }

  /** The last that is said on a link: not coded, for perhaps it ends because of its coder. */
  goodbye(parts: readonly Uint8Array[]): void {
    this.#send(parts, parts);
  }

  #send(coded: readonly Uint8Array[] | Promise<readonly Uint8Array[]>, parts: readonly Uint8Array[]): boolean {
    if (this.#outbox === undefined && !(coded instanceof Promise)) return this.#link.link.send(coded);
    this.#waitingBytes += bytesOf(parts);
    const ready = Promise.resolve(coded);
    if (this.#outbox === undefined) {
      this.#outbox = [ready];
      void this.#pump(this.#outbox);
    } else this.#outbox.push(ready);
    this.#stopped = this.#waitingBytes >= HIGH_WATER_BYTES;
    return !this.#stopped;
  }

  #encode(parts: readonly Uint8Array[], own: number): readonly Uint8Array[] | Promise<readonly Uint8Array[]> {
    let coded: Parts | Promise<Parts> = parts;
    for (const [index, coder] of this.#coders.entries()) {
      const count = index === 0 && this.#shared !== undefined ? own : Infinity;
      coded =
        coded instanceof Promise
          ? coded.then((those: Parts) => encodePart(index, coder, those, count))
          : encodePart(index, coder, coded, count);
    }
    return coded;
  }

  async #pump(outbox: Promise<readonly Uint8Array[]>[]): Promise<void> {
    let room = true;
    try {
      for (let next = outbox[0]; next !== undefined; next = outbox[0]) {
        const parts = await next;
        void outbox.shift();
        room = this.#link.link.send(parts);
      }
    } catch (error) {
      outbox.length = 0;
      this.#refuse(error);
    }
    this.#outbox = undefined;
    this.#waitingBytes = 0;
    if (this.#closing) return this.#link.link.close();
    if (!room) this.#link.blocked = true;
    else if (this.#stopped) this.#link.drain();
    this.#stopped = false;
  }

  /** The transport has room. False: something waits here, and goes first. */
  drained(): boolean {
    return this.#outbox === undefined;
  }

  /** Closes the link, behind all that was sent. */
  close(): void {
    this.#closing = true;
    if (this.#outbox === undefined) this.#link.link.close();
  }

  // ---- receiving

  receive(batch: Uint8Array): void {
    if (this.#inbox !== undefined) {
      this.#inbox.push(batch);
      return;
    }
    try {
      const plain = this.#open(batch);
      if (plain instanceof Promise) void this.#wait(plain, (this.#inbox = []));
      else this.#take(plain);
    } catch (error) {
      this.#refuse(error);
    }
  }

  async #wait(first: Promise<Uint8Array>, inbox: Uint8Array[]): Promise<void> {
    try {
      this.#take(await first);
      for (let next = inbox.shift(); next !== undefined && !this.#link.over; next = inbox.shift())
        this.#take(await this.#open(next));
    } catch (error) {
      this.#refuse(error);
    }
    this.#inbox = undefined;
    this.#closed?.();
  }

  /** The transport has closed the link. True: `closed` is called when what came before has been dealt with. */
  defers(closed: () => void): boolean {
    if (this.#inbox === undefined) return false;
    this.#closed = closed;
    return true;
  }

  #take(bytes: Uint8Array): void {
    if (!this.#link.over) this.#link.session?.receive(this.#link, bytes);
  }
  #refuse(cause: unknown): void {
    if (!this.#link.over) this.#link.session?.linkFailed(this.#link, cause);
  }

  #open(batch: Uint8Array): Uint8Array | Promise<Uint8Array> {
    return this.#expand(batch, this.#coders.length, { left: this.#decodedBytes });
  }

  /** The batch with what coded frames hold in their place; only coders below `below` may follow. */
  #expand(batch: Uint8Array, below: number, budget: { left: number }): Uint8Array | Promise<Uint8Array> {
    const pieces = split(batch);
    if (pieces === undefined) return batch;
    const plain: Uint8Array[] = [];
    const from = (start: number): Uint8Array | Promise<Uint8Array> => {
      for (let at = start; at < pieces.length; at++) {
        const piece = pieces[at]!;
        const opened = piece instanceof Uint8Array ? piece : this.#decode(piece, below, budget);
        if (opened instanceof Promise)
          return opened.then((bytes) => {
            plain.push(bytes);
            return from(at + 1);
          });
        plain.push(opened);
      }
      return joinParts(plain);
    };
    return from(0);
  }

  #decode(frame: CodedFrame, below: number, budget: { left: number }): Uint8Array | Promise<Uint8Array> {
    const { coder, data, defines } = frame;
    if (coder >= below) throw unexpected("by a coder that was not agreed on, or twice by one");
    const limit = Math.max(SMALL_BYTES, data.length * RATIO);
    if (defines > 0) {
      if (!this.#takesDictionaries) throw unexpected("with a dictionary from a client");
      if (data.length === 0) {
        this.#dictionaries?.delete(defines);
        return nothing;
      }
      const most = Math.min(limit, MAX_DICTIONARY_BYTES);
      return this.#run(coder, data, most, undefined, (bytes) => {
        const all = (this.#dictionaries ??= new Map());
        all.set(defines, ownBytes(bytes));
        if (all.size > MAX_DICTIONARIES) throw unexpected(`with more than ${MAX_DICTIONARIES} dictionaries`);
        return nothing;
      });
    }
    const dictionary = frame.dictionary === 0 ? undefined : this.#dictionaries?.get(frame.dictionary);
    if (frame.dictionary !== 0 && dictionary === undefined)
      throw unexpected(`with dictionary ${frame.dictionary}, which was not defined`);
    return this.#run(coder, data, Math.min(limit, budget.left), dictionary, (bytes) => {
      budget.left -= bytes.length;
      return this.#expand(bytes, coder, budget);
    });
  }

  #run(
    coder: number,
    data: Uint8Array,
    most: number,
    dictionary: Uint8Array | undefined,
    then: (bytes: Uint8Array) => Uint8Array | Promise<Uint8Array>,
  ): Uint8Array | Promise<Uint8Array> {
    const broken = (error: unknown): never => {
      if (error instanceof ConnectError) throw error;
      if (error instanceof RangeError) throw fail("batch_expands", { bytes: data.length, limit: most });
      throw fail("frame_malformed", { detail: `what is coded cannot be decoded (${String(error).slice(0, 80)})` });
    };
    const checked = (bytes: Uint8Array): Uint8Array | Promise<Uint8Array> => {
      if (bytes.length > most) throw fail("batch_expands", { bytes: data.length, limit: most });
      return then(bytes);
    };
    let bytes: Uint8Array | Promise<Uint8Array>;
    try {
      bytes = this.#coders[coder]!.decode(data, most, dictionary);
    } catch (error) {
      return broken(error);
    }
    return bytes instanceof Promise ? bytes.catch(broken).then(checked) : checked(bytes);
  }
}

function unexpected(state: string): ConnectError {
  return fail("frame_unexpected", { frame: "coded", state });
}

/** Codes the first `count` parts; the others stay behind them. */
function encodePart(
  index: number,
  coder: BatchCoder,
  parts: readonly Uint8Array[],
  count: number,
): readonly Uint8Array[] | Promise<readonly Uint8Array[]> {
  if (count === 0 || parts.length === 0) return parts;
  const own = count >= parts.length ? parts : parts.slice(0, count);
  const data = coder.encode(own);
  if (data === undefined) return parts;
  const put = (coded: Uint8Array | undefined): readonly Uint8Array[] => {
    const frame = coded && codedFrame(index, 0, bytesOf(own), coded);
    if (frame === undefined) return parts;
    return own === parts ? [frame] : [frame, ...parts.slice(count)];
  };
  return data instanceof Promise ? data.then(put) : put(data);
}

/** A batch as coded frames and what is between them; undefined if none is coded. What is malformed stays, for the session to say so. */
function split(batch: Uint8Array): (Uint8Array | CodedFrame)[] | undefined {
  let pieces: (Uint8Array | CodedFrame)[] | undefined;
  let plainFrom = 0;
  const cursor: Cursor & { pos: number } = { bytes: batch, pos: 0, end: batch.length };
  while (cursor.pos < batch.length && batch[cursor.pos] === FRAME_TAG) {
    const from = cursor.pos++;
    const length = readVarint(cursor);
    const end = cursor.pos + length;
    if (end > batch.length) break;
    if (batch[cursor.pos] === CODED_TAG) {
      pieces ??= [];
      if (from > plainFrom) pieces.push(batch.subarray(plainFrom, from));
      pieces.push(codedIn(batch.subarray(from, end)));
      plainFrom = end;
    }
    cursor.pos = end;
  }
  if (pieces !== undefined && plainFrom < batch.length) pieces.push(batch.subarray(plainFrom));
  return pieces;
}

/** The one frame of this batch. */
function codedIn(batch: Uint8Array): CodedFrame {
  let coded: Frame | undefined;
  readFrames(batch, (frame) => (coded = frame));
  return coded as unknown as CodedFrame;
}
