// Frames for the stream, made once for all links that get the same batch in one turn.
import { CONTROL_CLOSE, CONTROL_LINK, CONTROL_PADDING, PADDING_BYTES, STREAM_ID } from "./protocol.ts";

const LF = 10;
const SPACE = 32;
/** Under this many bytes a frame is copied into one buffer, so that it is one write; above, the batch is left where it is. */
const COPY_BYTES = 4_096;
/** Larger frames are not remembered, so that an idle server holds no big buffer. */
const REMEMBER_BYTES = 65_536;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const DATA = encoder.encode("data:");

/** How the two formats say what. */
export interface Framing {
  /** One batch, of `bytes` in all. The same parts give the same frame, the same array even, if they come again at once. */
  batch(parts: readonly Uint8Array[], bytes: number): readonly Uint8Array[];
  /** What a stream begins with. */
  opening(name: string): readonly Uint8Array[];
  /** The last thing in a stream: why it ends, "" if in good order. */
  close(reason: string): readonly Uint8Array[];
  /** Nothing, said aloud. */
  readonly alive: readonly Uint8Array[];
}

/** Remembers the last frame: a topic's fan-out gives the same array of parts to link after link. */
function once(frame: (parts: readonly Uint8Array[], bytes: number) => readonly Uint8Array[]): Framing["batch"] {
  let lastParts: readonly Uint8Array[] | undefined;
  let last: readonly Uint8Array[] = [];
  return (parts, bytes) => {
    if (parts === lastParts) return last;
    const framed = frame(parts, bytes);
    if (bytes <= REMEMBER_BYTES) {
      lastParts = parts;
      last = framed;
    }
    return framed;
  };
}

export const binaryFraming: Framing = {
  batch: once((parts, bytes) => {
    const prefix = varint(bytes + 1);
    return bytes < COPY_BYTES ? [joined([prefix, ...parts], prefix.byteLength + bytes)] : [prefix, ...parts];
  }),
  opening: (name) => [
    ...control(CONTROL_LINK, encoder.encode(name)),
    ...control(CONTROL_PADDING, new Uint8Array(PADDING_BYTES)),
  ],
  close: (reason) => control(CONTROL_CLOSE, encoder.encode(reason)),
  alive: control(CONTROL_PADDING, new Uint8Array(0)),
};

export const textFraming: Framing = {
  batch: once((parts, bytes) => [event(parts.length === 1 ? parts[0]! : joined(parts, bytes))]),
  opening: (name) => [encoder.encode(`:${" ".repeat(PADDING_BYTES)}\nid:${STREAM_ID}\nevent:link\ndata:${name}\n\n`)],
  close: (reason) => [encoder.encode(`event:close\ndata:${reason}\n\n`)],
  alive: [encoder.encode(":\n\n")],
};

/** A batch as an event. Plain lines are lines of data; anything else is escaped as a JSON string, in which no byte can break the framing. */
function event(batch: Uint8Array): Uint8Array {
  if (batch[batch.byteLength - 1] !== LF || batch.includes(13) || batch.includes(0)) {
    return encoder.encode(`event:quoted\ndata:${JSON.stringify(decoder.decode(batch))}\n\n`);
  }
  let lines = 0;
  for (let at = 0; at < batch.byteLength; at = batch.indexOf(LF, at) + 1) lines++;
  // One space after the colon is taken away by the reader, so a line that begins with one gets another.
  const framed = new Uint8Array(batch.byteLength + lines * (DATA.byteLength + 1) + 1);
  let to = 0;
  for (let from = 0; from < batch.byteLength;) {
    const end = batch.indexOf(LF, from) + 1;
    framed.set(DATA, to);
    to += DATA.byteLength;
    if (batch[from] === SPACE) framed[to++] = SPACE;
    framed.set(batch.subarray(from, end), to);
    to += end - from;
    from = end;
  }
  framed[to++] = LF;
  return framed.subarray(0, to);
}

function control(kind: number, content: Uint8Array): readonly Uint8Array[] {
  const length = varint(content.byteLength);
  return [joined([Uint8Array.of(0, kind), length, content], 2 + length.byteLength + content.byteLength)];
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest >>>= 7;
  }
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}
