// Reads number and time of an event in place, from JSON and from protobuf, without decoding the rest.
import type { Arrivals } from "../arrivals.ts";

const QUOTE_AT = '{"seq":'.length; // digits of the number begin here
const SEQ_DIGITS = 10;
const AT_DIGITS = QUOTE_AT + SEQ_DIGITS + ',"at":'.length;
const ZERO = 0x30;
const NINE = 0x39;

/** An event as JSON.stringify writes it. */
export function readJsonEvent(chunk: Buffer, start: number, arrivals: Arrivals): void {
  let seq = 0;
  for (let index = start + QUOTE_AT; index < start + QUOTE_AT + SEQ_DIGITS; index++)
    seq = seq * 10 + (chunk[index] as number) - ZERO;
  let at = 0;
  for (let index = start + AT_DIGITS; ; index++) {
    const digit = chunk[index] as number;
    if (!(digit >= ZERO && digit <= NINE)) break;
    at = at * 10 + digit - ZERO;
  }
  arrivals.delivered(seq, at);
}

/** An event in protobuf: field 1 (varint) and field 2 (double) come first, as all encoders write them. */
export function readBinaryEvent(chunk: Buffer, start: number, arrivals: Arrivals): void {
  if (chunk[start] !== 0x08) return arrivals.failed(new Error("An event does not begin with its number."));
  let position = start + 1;
  let seq = 0;
  let factor = 1;
  for (;;) {
    const byte = chunk[position++] as number;
    seq += (byte & 0x7f) * factor;
    if (byte < 0x80) break;
    factor *= 128;
  }
  if (chunk[position] !== 0x11) return arrivals.failed(new Error("An event has no time."));
  arrivals.delivered(seq, chunk.readDoubleLE(position + 1));
}
