// Reads a request body whole, within a limit of bytes and of time; one timer watches all bodies of a server.
import type { Readable } from "node:stream";
import { type Clock, fail } from "@raceway/core";
import type { HttpLimits } from "./http-limits.ts";

/** How often bodies under way are looked at. Coarse: a limit of 30 s need not be kept to the millisecond. */
const LOOK_MS = 1_000;
const NOTHING = new Uint8Array(0);

/** A thing that has to be done in time. */
export interface Watched {
  /** Called about once a second, with the time of the clock. Must take itself out of the watch when it is over. */
  look(now: number): void;
}

/** All that has to be done in time; has a timer only while there is any. */
export class HttpWatch {
  readonly clock: Clock;
  readonly #watched = new Set<Watched>();
  #armed = false;

  constructor(clock: Clock) {
    this.clock = clock;
  }
  add(watched: Watched): void {
    this.#watched.add(watched);
    if (!this.#armed) this.#arm();
  }
  delete(watched: Watched): void {
    this.#watched.delete(watched);
  }
  #arm(): void {
    this.#armed = true;
    this.clock.after(LOOK_MS, () => {
      this.#armed = false;
      const now = this.clock.now();
      for (const watched of this.#watched) watched.look(now);
      if (this.#watched.size > 0) this.#arm();
    });
  }
}

/** Is a body that is `ageMs` old and has brought `bytes` too slow? */
export function isTooSlow(ageMs: number, bytes: number, limits: HttpLimits): boolean {
  return ageMs >= limits.bodyMs || (ageMs > limits.bodyGraceMs && bytes * 1_000 < ageMs * limits.bodyBytesPerSecond);
}

/** Puts chunks together; a single one is handed over as it is. */
export function joinChunks(chunks: readonly Uint8Array[], bytes: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/**
 * Reads a Node stream to its end. Rejects with `body_too_large`, `body_too_slow`, or `body_incomplete` if the client went away; the stream
 * is then left flowing into nothing, so that the answer can be sent while the client still writes.
 */
export function readNodeBody(
  stream: Readable,
  maxBytes: number,
  limits: HttpLimits,
  watch: HttpWatch,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const reader = new BodyReader(stream, maxBytes, limits, watch, resolve, reject);
    (stream as ReadStream)[READER] = reader;
    watch.add(reader);
    stream.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** The listeners find their reader on the stream: shared functions in place of closures per request. */
const READER: unique symbol = Symbol("reader");
type ReadStream = Readable & { [READER]: BodyReader };
function onData(this: Readable, chunk: Uint8Array): void {
  (this as ReadStream)[READER].data(chunk);
}
function onEnd(this: Readable): void {
  (this as ReadStream)[READER].end();
}
function onClose(this: Readable): void {
  (this as ReadStream)[READER].closed();
}

class BodyReader implements Watched {
  readonly #stream: Readable;
  readonly #maxBytes: number;
  readonly #limits: HttpLimits;
  readonly #watch: HttpWatch;
  readonly #resolve: (body: Uint8Array) => void;
  readonly #reject: (error: Error) => void;
  readonly #began: number;
  #first: Uint8Array | undefined;
  /** What came after the first chunk; most bodies are one. */
  #more: Uint8Array[] | undefined;
  #bytes = 0;
  #over = false;

  constructor(
    stream: Readable,
    maxBytes: number,
    limits: HttpLimits,
    watch: HttpWatch,
    resolve: (body: Uint8Array) => void,
    reject: (error: Error) => void,
  ) {
    this.#stream = stream;
    this.#maxBytes = maxBytes;
    this.#limits = limits;
    this.#watch = watch;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#began = watch.clock.now();
  }

  data(chunk: Uint8Array): void {
    if (this.#over) return;
    this.#bytes += chunk.byteLength;
    if (this.#bytes > this.#maxBytes)
      this.#refuse(fail("body_too_large", { bytes: this.#bytes, limit: this.#maxBytes }));
    else if (this.#first === undefined) this.#first = chunk;
    else (this.#more ??= [this.#first]).push(chunk);
  }
  end(): void {
    if (this.#over) return;
    this.#stop();
    const first = this.#first;
    if (this.#more !== undefined) this.#resolve(joinChunks(this.#more, this.#bytes));
    else if (first === undefined) this.#resolve(NOTHING);
    else this.#resolve(new Uint8Array(first.buffer as ArrayBuffer, first.byteOffset, first.byteLength)); // a plain array, not a Buffer
  }
  closed(): void {
    if (!this.#over) this.#refuse(fail("body_incomplete", { bytes: this.#bytes }));
  }
  look(now: number): void {
    if (isTooSlow(now - this.#began, this.#bytes, this.#limits))
      this.#refuse(fail("body_too_slow", { ms: Math.round(now - this.#began) }));
  }
  #refuse(error: Error): void {
    this.#stop();
    this.#first = this.#more = undefined;
    this.#stream.resume();
    this.#reject(error);
  }
  #stop(): void {
    this.#over = true;
    this.#watch.delete(this);
  }
}
