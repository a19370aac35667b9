// A WebSocket client that only reads frames: thousands of them cost the load's core little.
import { randomBytes } from "node:crypto";
import { connect, type Socket } from "node:net";

export interface RawWebSocket {
  /** Sends one masked frame. */
  send(payload: Uint8Array, binary: boolean): void;
  close(): void;
}

export interface RawWebSocketReader {
  /** A chunk of bytes arrived; its messages follow. */
  arrived(): void;
  /** One message: `chunk` from `start` to `end`. Valid during the call. */
  message(chunk: Buffer, start: number, end: number): void;
  failed(error: Error): void;
}

/** Connects, upgrades, and hands over each message. Frames must be whole messages without extensions, which is what servers send. */
export function openRawWebSocket(
  port: number,
  path: string,
  protocol: string | undefined,
  reader: RawWebSocketReader,
): Promise<RawWebSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let rest: Buffer | undefined;
    let upgraded = false;
    let closing = false;
    const raw: RawWebSocket = {
      send: (payload, binary) => void socket.write(frame(payload, binary ? 2 : 1)),
      close() {
        closing = true;
        socket.destroy();
      },
    };
    const fail = (error: Error): void => {
      if (closing) return;
      closing = true;
      socket.destroy();
      if (upgraded) reader.failed(error);
      else reject(error);
    };
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("The server closed a WebSocket.")));
    socket.write(
      `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\nSec-WebSocket-Version: 13\r\n` +
        `${protocol === undefined ? "" : `Sec-WebSocket-Protocol: ${protocol}\r\n`}\r\n`,
    );
    socket.on("data", (data: Buffer) => {
      let chunk = rest === undefined ? data : Buffer.concat([rest, data]);
      rest = undefined;
      if (!upgraded) {
        const end = chunk.indexOf("\r\n\r\n");
        if (end < 0) {
          rest = chunk;
          return;
        }
        const status = chunk.toString("latin1", 0, chunk.indexOf("\r\n"));
        if (!status.includes(" 101 ")) return fail(new Error(`The server answered the upgrade with "${status}".`));
        upgraded = true;
        resolve(raw);
        chunk = chunk.subarray(end + 4);
        // The one who waits for the promise has not seen the socket yet, so messages go out a turn later.
        if (chunk.length > 0) {
          const early = chunk;
          socket.pause();
          setImmediate(() => {
            rest = read(early, socket, reader, fail);
            socket.resume();
          });
        }
        return;
      }
      rest = read(chunk, socket, reader, fail);
    });
  });
}

/** Reads the frames of a chunk; returns what is left of an unfinished one. */
function read(
  chunk: Buffer,
  socket: Socket,
  reader: RawWebSocketReader,
  fail: (error: Error) => void,
): Buffer | undefined {
  reader.arrived();
  let position = 0;
  while (position + 2 <= chunk.length) {
    const first = chunk[position] as number;
    let length = (chunk[position + 1] as number) & 0x7f;
    let start = position + 2;
    if (length === 126) {
      if (start + 2 > chunk.length) break;
      length = chunk.readUInt16BE(start);
      start += 2;
    } else if (length === 127) {
      if (start + 8 > chunk.length) break;
      length = Number(chunk.readBigUInt64BE(start));
      start += 8;
    }
    const end = start + length;
    if (end > chunk.length) break;
    if (first === 0x81 || first === 0x82) reader.message(chunk, start, end);
    else if (first === 0x89) socket.write(frame(chunk.subarray(start, end), 10));
    else fail(new Error(`Unexpected WebSocket frame 0x${first.toString(16)}.`));
    position = end;
  }
  return position === chunk.length ? undefined : chunk.subarray(position);
}

/** A masked frame whose mask is zero, which the protocol allows and which leaves the payload as it is. */
function frame(payload: Uint8Array, opcode: number): Buffer {
  const head = payload.length < 126 ? 6 : 8;
  const out = Buffer.alloc(head + payload.length);
  out[0] = 0x80 | opcode;
  if (payload.length < 126) out[1] = 0x80 | payload.length;
  else {
    if (payload.length > 0xffff) throw new RangeError("A raw client sends small messages only.");
    out[1] = 0x80 | 126;
    out.writeUInt16BE(payload.length, 2);
  }
  out.set(payload, head);
  return out;
}
