// Frames as a server writes them (RFC 6455, section 5): unmasked, one message each, header made by hand.
import { isUtf8 } from "node:buffer";
import type { Writable } from "node:stream";

/** Batches up to this size are copied behind their header and written once; larger ones are gathered by `writev` instead. */
const COPY_BYTES = 4_096;
/** A batch for many links is copied up to this size, and kept until the next one comes. */
const SHARED_COPY_BYTES = 65_536;

const FIN = 0x80;
const TEXT = 0x1;
const BINARY = 0x2;
const CLOSE = 0x8;
const PONG = 0xa;
/** A batch that begins so is text: a JSON frame a line. */
const BRACE = 0x7b;

/**
 * Makes frames of batches, and keeps the last one: a topic gives the same array to all its subscribers' links in a row, so it is framed once.
 * Two fields to read after `take`: its size, and the frame in one piece, if there is one.
 */
export class Framer {
  /** Size of the batch, without header. */
  bytes = 0;
  /** Header and batch; undefined for a batch that is cheaper to gather. Shared between links, so nobody may change it. */
  frame: Buffer | undefined;
  #parts: readonly Uint8Array[] | undefined;

  take(parts: readonly Uint8Array[]): void {
    if (parts !== this.#parts) {
      let bytes = 0;
      for (const part of parts) bytes += part.length;
      this.bytes = bytes;
      this.frame = bytes <= COPY_BYTES ? joined(parts, bytes) : undefined;
      this.#parts = bytes <= SHARED_COPY_BYTES ? parts : undefined; // a larger one would be kept alive for nothing
    } else if (this.frame === undefined) {
      // The second link to get this array, so there will be more: from here on one write of one buffer, a tenth cheaper than gathering.
      this.frame = joined(parts, this.bytes);
    }
  }
}

function joined(parts: readonly Uint8Array[], bytes: number): Buffer {
  const head = headBytes(bytes);
  const frame = Buffer.allocUnsafe(head + bytes);
  writeHead(frame, opcodeOf(parts), bytes);
  let at = head;
  for (const part of parts) {
    frame.set(part, at);
    at += part.length;
  }
  return frame;
}

/** Writes a large batch without copying it: header and parts leave in one `writev`. Returns what `write` does. */
export function writeGathered(socket: Writable, parts: readonly Uint8Array[], bytes: number): boolean {
  const head = Buffer.allocUnsafe(headBytes(bytes));
  writeHead(head, opcodeOf(parts), bytes);
  socket.cork();
  socket.write(head);
  for (const part of parts) if (part.length > 0) socket.write(part);
  socket.uncork();
  return !socket.writableNeedDrain;
}

export function pongFrame(payload: Uint8Array): Buffer {
  return controlFrame(PONG, payload);
}

/** A close frame; without a code for {@link code} 1005, which must not be on the wire. The reason has at most 123 bytes. */
export function closeFrame(code: number, reason: string): Buffer {
  if (code === 1005) return controlFrame(CLOSE, new Uint8Array(0));
  const payload = Buffer.alloc(2 + Buffer.byteLength(reason));
  payload.writeUInt16BE(code);
  payload.write(reason, 2);
  return controlFrame(CLOSE, payload);
}

/** At most 125 bytes, so that the length fits into the second byte. */
function controlFrame(opcode: number, payload: Uint8Array): Buffer {
  const frame = Buffer.alloc(2 + payload.length);
  frame[0] = FIN | opcode;
  frame[1] = payload.length;
  frame.set(payload, 2);
  return frame;
}

function headBytes(bytes: number): number {
  return bytes < 126 ? 2 : bytes < 65_536 ? 4 : 10;
}

function writeHead(target: Buffer, opcode: number, bytes: number): void {
  target[0] = FIN | opcode;
  if (bytes < 126) target[1] = bytes;
  else if (bytes < 65_536) {
    target[1] = 126;
    target[2] = bytes >>> 8;
    target[3] = bytes & 0xff;
  } else {
    target[1] = 127;
    target.writeUInt16BE(0, 2);
    target.writeUIntBE(bytes, 4, 6);
  }
}

/** Text goes as text, so that people and their tools can read it; but only if it is, since a receiver may refuse any other. */
function opcodeOf(parts: readonly Uint8Array[]): number {
  for (const part of parts)
    if (part.length > 0) return part[0] === BRACE && parts.every((one) => isUtf8(one)) ? TEXT : BINARY;
  return BINARY;
}
