// What both halves of the poll transport say to each other: headers, and batches in a body.
//
// Each request has a number, counted from 1 on its link. Its body carries batches up, its answer carries batches down. Requests are taken in the
// order of their numbers, and answers are delivered in it; either may be repeated, since the server keeps each answer until a later request says
// that it was received. At most two requests are under way: one that is held, and one that takes over from it.
import { fail } from "@raceway/core";

export const TRANSPORT = "poll";
export const BINARY_TYPE = "application/vnd.raceway";
/** Neither type is one that pages may send across origins without asking first. */
export const TEXT_TYPE = "application/vnd.raceway.text";

/** Request: the client's own name of a link that it opens, until it knows the server's; so that the opening, too, may be repeated. */
export const OPEN_HEADER = "raceway-open";
/** Name of the link: in the answer to its opening, and in all further requests. Whoever knows it has the link. */
export const LINK_HEADER = "raceway-link";
/** Request: see {@link PollHead}. */
export const POLL_HEADER = "raceway-poll";
/** Either way: the sender has closed the link. "": in good order, and behind what is in the body; else why, percent-encoded. */
export const CLOSE_HEADER = "raceway-close";
/** Answer: the server is paused; send no batches until an answer without it. */
export const PAUSE_HEADER = "raceway-pause";

/** Batches are joined in one body up to this size; a larger one travels alone. */
export const JOIN_BYTES = 262_144;
/** `send` says stop above this. */
export const HIGH_WATER_BYTES = 65_536;
/** An opening, and in short mode a request that carries batches, is held so long for an answer to what it carries. */
export const SETTLE_MS = 250;
/** Requests that may be under way at once. */
export const WINDOW = 2;
/** Longest length prefix: 10 digits and a line end. */
const PREFIX_BYTES = 11;

/** What a request says about itself. */
export interface PollHead {
  /** Its number. */
  readonly number: number;
  /** All answers up to this number have been received. */
  readonly received: number;
  /** How long it may be held. */
  readonly holdMs: number;
  /** Largest batch that the client takes. */
  readonly maxBytes: number;
  /** Time to the next request after the answer to this one; 0: at once, so that the server can always send. */
  readonly nextMs: number;
  /** The answer may carry batches; if not, the client is paused. */
  readonly takes: boolean;
}

export function writeHead(head: PollHead): string {
  return `${head.number} ${head.received} ${head.holdMs} ${head.maxBytes} ${head.nextMs} ${head.takes ? 1 : 0}`;
}

/** Undefined if it is malformed. */
export function readHead(text: string | undefined): PollHead | undefined {
  const match = /^(\d{1,15}) (\d{1,15}) (\d{1,9}) (\d{1,9}) (\d{1,9}) ([01])$/.exec(text ?? "");
  if (match === null) return undefined;
  const [number, received, holdMs, maxBytes, nextMs, takes] = match.slice(1).map(Number) as [number, number, number, number, number, number];
  return number >= 1 && received < number ? { number, received, holdMs, maxBytes, nextMs, takes: takes === 1 } : undefined;
}

/** Largest body with batches up to `maxBatchBytes`. */
export function maxBodyBytes(maxBatchBytes: number): number {
  return Math.max(maxBatchBytes + PREFIX_BYTES, JOIN_BYTES);
}

/** A reason in a header. */
export function writeReason(message: string | undefined): string {
  return message === undefined ? "" : encodeURIComponent(message.slice(0, 300).toWellFormed());
}
export function readReason(text: string): string {
  try {
    return decodeURIComponent(text).slice(0, 300);
  } catch {
    return "for a reason that cannot be read";
  }
}

/** One batch that waits to be sent. */
export interface Outgoing {
  readonly parts: readonly Uint8Array[];
  readonly bytes: number;
}

/** Takes from the queue what fits into one body: as much as JOIN_BYTES, or the first batch if it is larger. */
export function takeBatches(queue: Outgoing[]): Outgoing[] {
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
export function writeBatches(batches: readonly Outgoing[], text: boolean): Uint8Array {
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
export function readBatches(body: Uint8Array, text: boolean, maxBatchBytes: number): Uint8Array[] {
  const batches: Uint8Array[] = [];
  for (let at = 0; at < body.byteLength; ) {
    let bytes = 0;
    let digits = 0;
    for (let more = true; more; digits++) {
      const byte = body[at++];
      if (byte === undefined || digits > (text ? PREFIX_BYTES - 1 : 4)) throw malformed("a length prefix is cut off or too long");
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
    if (bytes > body.byteLength - at) throw malformed(`a batch of ${bytes} bytes is cut off after ${body.byteLength - at}`);
    if (bytes > 0) batches.push(body.subarray(at, at + bytes));
    at += bytes;
  }
  return batches;
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

function malformed(detail: string): Error {
  return fail("request_malformed", { transport: TRANSPORT, detail });
}

/** 128 bits that nobody can guess, as 32 hexadecimal digits. */
export function nameOf(bytes: Uint8Array): string {
  let name = "";
  for (const byte of bytes) name += byte.toString(16).padStart(2, "0");
  return name;
}
export const NAME_BYTES = 16;
export function isName(text: string | undefined): text is string {
  return text !== undefined && /^[0-9a-f]{32}$/.test(text);
}
