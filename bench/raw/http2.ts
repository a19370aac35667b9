// An HTTP/2 client that only reads envelopes of gRPC and Connect streams: thousands of them cost the load's core little.
import { connect } from "node:net";

export interface RawStreamReader {
  /** A chunk of bytes arrived; its messages follow. */
  arrived(): void;
  /** One message, without its envelope's five bytes. Valid during the call. */
  message(chunk: Buffer, start: number, end: number): void;
  failed(error: Error): void;
}

export interface RawHttp2 {
  /** Sends one more message on a stream that was left open. */
  send(message: Uint8Array): void;
  close(): void;
}

/** The call to open. */
export interface RawStreamRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  /** The only message up, without envelope; absent: the stream stays open for `send`. */
  readonly message?: Uint8Array;
}

const DATA = 0;
const HEADERS = 1;
const RST_STREAM = 3;
const SETTINGS = 4;
const PING = 6;
const GOAWAY = 7;
const WINDOW_UPDATE = 8;
const END_STREAM = 1;
const MAX_WINDOW = 0x7fff_ffff;

/** Connects and opens one stream; without a request, just the connection. Resolves when the server's settings are there. */
export function openRawHttp2(
  port: number,
  request: RawStreamRequest | undefined,
  reader: RawStreamReader,
): Promise<RawHttp2> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    let rest: Buffer | undefined;
    let settled = false;
    let closing = false;
    const fail = (error: Error): void => {
      if (closing) return;
      closing = true;
      socket.destroy();
      if (settled) reader.failed(error);
      else reject(error);
    };
    const body = new EnvelopeReader(reader);
    socket.on("error", fail);
    socket.on("close", () => fail(new Error("The server closed an HTTP/2 connection.")));
    // A window of 2 GiB for the connection and for each stream: no updates to send while measuring.
    const settings = Buffer.from([0, 2, 0, 0, 0, 0, 0, 4, 0x7f, 0xff, 0xff, 0xff]);
    const window = Buffer.alloc(4);
    window.writeUInt32BE(MAX_WINDOW - 0xffff);
    const opening = [
      Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
      frame(SETTINGS, 0, 0, settings),
      frame(WINDOW_UPDATE, 0, 0, window),
    ];
    if (request) {
      opening.push(frame(HEADERS, 4, 1, headerBlock(port, request)));
      if (request.message) opening.push(frame(DATA, END_STREAM, 1, envelope(request.message)));
    }
    socket.write(Buffer.concat(opening));
    socket.on("data", (data: Buffer) => {
      const chunk = rest === undefined ? data : Buffer.concat([rest, data]);
      reader.arrived();
      let position = 0;
      while (position + 9 <= chunk.length) {
        const length = chunk.readUIntBE(position, 3);
        const end = position + 9 + length;
        if (end > chunk.length) break;
        const type = chunk[position + 3] as number;
        const flags = chunk[position + 4] as number;
        if (type === DATA) {
          body.data(chunk, position + 9, end);
          if (flags & 1) fail(new Error("The server ended a stream."));
        } else if (type === SETTINGS && !(flags & 1)) {
          socket.write(frame(SETTINGS, 1, 0, Buffer.alloc(0)));
          if (!settled) {
            settled = true;
            resolve({
              send: (message) => void socket.write(frame(DATA, 0, 1, envelope(message))),
              close() {
                closing = true;
                socket.destroy();
              },
            });
          }
        } else if (type === PING && !(flags & 1)) {
          socket.write(frame(PING, 1, 0, chunk.subarray(position + 9, end)));
        } else if (type === RST_STREAM || type === GOAWAY || (type === HEADERS && flags & 1)) {
          fail(new Error(`The server ended a stream (frame type ${type}).`));
        }
        position = end;
      }
      rest = position === chunk.length ? undefined : chunk.subarray(position);
    });
  });
}

/** Cuts the body of a stream into messages, wherever the frames cut it. */
class EnvelopeReader {
  readonly #reader: RawStreamReader;
  #rest: Buffer | undefined;

  constructor(reader: RawStreamReader) {
    this.#reader = reader;
  }

  data(chunk: Buffer, start: number, end: number): void {
    let from = chunk;
    let position = start;
    let until = end;
    if (this.#rest !== undefined) {
      from = Buffer.concat([this.#rest, chunk.subarray(start, end)]);
      position = 0;
      until = from.length;
    }
    while (position + 5 <= until) {
      const next = position + 5 + from.readUInt32BE(position + 1);
      if (next > until) break;
      this.#reader.message(from, position + 5, next);
      position = next;
    }
    this.#rest = position === until ? undefined : Buffer.from(from.subarray(position, until));
  }
}

/** A message as gRPC and Connect put it into a stream: no compression, length, bytes. */
function envelope(message: Uint8Array): Buffer {
  const out = Buffer.alloc(5 + message.length);
  out.writeUInt32BE(message.length, 1);
  out.set(message, 5);
  return out;
}

function frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK, each field as a literal without indexing: no table to keep. */
function headerBlock(port: number, request: RawStreamRequest): Buffer {
  const fields = {
    ":method": "POST",
    ":scheme": "http",
    ":path": request.path,
    ":authority": `127.0.0.1:${port}`,
    ...request.headers,
  };
  const parts: Buffer[] = [];
  for (const [name, value] of Object.entries(fields)) {
    if (name.length > 126 || value.length > 126) throw new RangeError("A raw client sends short headers only.");
    parts.push(Buffer.from([0, name.length]), Buffer.from(name), Buffer.from([value.length]), Buffer.from(value));
  }
  return Buffer.concat(parts);
}
