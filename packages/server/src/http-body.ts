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
  if (chunks.length === 0) return NOTHING;
  const first = chunks[0]!;
  if (chunks.length === 1) return new Uint8Array(first.buffer, first.byteOffset, first.byteLength); // a plain one, should it be a Buffer
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
export function readNodeBody(stream: Readable, maxBytes: number, limits: HttpLimits, watch: HttpWatch): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = [];
    const began = watch.clock.now();
    let bytes = 0;
    const stop = (): void => {
      watch.delete(watched);
      stream.off("data", onData).off("end", onEnd).off("close", onClose).off("error", onClose);
      chunks.length = 0;
    };
    const refuse = (error: Error): void => {
      stop();
      stream.on("error", ignore).resume();
      reject(error);
    };
    const onData = (chunk: Uint8Array): void => {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) refuse(fail("body_too_large", { bytes, limit: maxBytes }));
      else chunks.push(chunk);
    };
    const onEnd = (): void => {
      const whole = joinChunks(chunks, bytes);
      stop();
      resolve(whole);
    };
    const onClose = (): void => refuse(fail("body_incomplete", { bytes }));
    const watched: Watched = {
      look(now) {
        if (isTooSlow(now - began, bytes, limits)) refuse(fail("body_too_slow", { ms: Math.round(now - began) }));
      },
    };
    watch.add(watched);
    stream.on("data", onData).on("end", onEnd).on("close", onClose).on("error", onClose);
  });
}

/** The error of a stream that nobody reads any more. */
function ignore(): void {}
