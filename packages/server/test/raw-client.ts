// Clients for tests of the HTTP side: bytes over a socket, requests over HTTP/2, and a certificate for TLS that is made on the spot.
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { once } from "node:events";
import type { ClientHttp2Session } from "node:http2";
import { connect, type Socket } from "node:net";

/** Sends text and gives all that comes until the other side closes, which it has to. */
export async function talk(port: number, ...said: readonly string[]): Promise<string> {
  const socket = dial(port);
  for (const text of said) socket.write(text, "latin1");
  return untilClosed(socket);
}

/** A connection whose errors are no news. */
export function dial(port: number): Socket {
  return connect({ port, host: "127.0.0.1", noDelay: true }).on("error", () => {});
}

/** All that comes until the other side closes. */
export async function untilClosed(socket: Socket): Promise<string> {
  let heard = "";
  socket.on("data", (bytes: Buffer) => (heard += bytes.toString("latin1")));
  if (!socket.closed) await once(socket, "close").catch(() => undefined);
  return heard;
}

/** What comes until it contains a text. */
export async function hear(socket: Socket, text: string): Promise<string> {
  let heard = "";
  while (!heard.includes(text)) {
    const [bytes] = (await once(socket, "data")) as [Buffer];
    heard += bytes.toString("latin1");
  }
  return heard;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
}

/** One request over HTTP/2. */
export async function ask(
  session: ClientHttp2Session,
  path: string,
  options: {
    readonly method?: string;
    readonly body?: string;
    readonly headers?: Readonly<Record<string, string>>;
  } = {},
): Promise<Answer> {
  const { body, headers = {}, method = body === undefined ? "GET" : "POST" } = options;
  const stream = session.request({ ":path": path, ":method": method, ...headers }, { endStream: body === undefined });
  stream.on("error", () => {});
  if (body !== undefined) stream.end(body);
  const [answered] = (await once(stream, "response")) as [Record<string, string | number>];
  let text = "";
  for await (const chunk of stream as AsyncIterable<Buffer>) text += chunk.toString();
  const plain = Object.fromEntries(Object.entries(answered).map(([name, value]) => [name, String(value)]));
  return { status: Number(answered[":status"]), headers: plain, text };
}

/** A key and a certificate for "localhost" that it signed itself (X.509 v3, RFC 5280), good for ten years around now. */
export function selfSigned(): { readonly key: string; readonly cert: string } {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const algorithm = sequence(tagged(0x06, [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02])); // ecdsa-with-SHA256
  const commonName = sequence(tagged(0x06, [0x55, 0x04, 0x03]), tagged(0x0c, Buffer.from("localhost")));
  const name = sequence(tagged(0x31, commonName));
  const year = new Date().getUTCFullYear();
  const time = (at: number): Buffer => tagged(0x18, Buffer.from(`${at}0101000000Z`));
  const alternative = sequence(tagged(0x82, Buffer.from("localhost")), tagged(0x87, [127, 0, 0, 1]));
  const extension = sequence(tagged(0x06, [0x55, 0x1d, 0x11]), tagged(0x04, alternative));
  const signed = sequence(
    tagged(0xa0, tagged(0x02, [2])), // version 3
    tagged(0x02, [1]),
    algorithm,
    name,
    sequence(time(year - 5), time(year + 5)),
    name,
    spki(publicKey),
    tagged(0xa3, sequence(extension)),
  );
  const signature = sign("sha256", signed, privateKey);
  const cert = sequence(signed, algorithm, tagged(0x03, Buffer.concat([Buffer.of(0), signature])));
  return {
    key: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    cert: `-----BEGIN CERTIFICATE-----\n${cert.toString("base64")}\n-----END CERTIFICATE-----\n`,
  };
}
function spki(key: KeyObject): Buffer {
  return key.export({ type: "spki", format: "der" });
}
/** One DER element. */
function tagged(tag: number, content: Uint8Array | readonly number[]): Buffer {
  const bytes = Buffer.from(content);
  const length =
    bytes.length < 128
      ? [bytes.length]
      : bytes.length < 256
        ? [0x81, bytes.length]
        : [0x82, bytes.length >> 8, bytes.length & 255];
  return Buffer.concat([Buffer.of(tag, ...length), bytes]);
}
function sequence(...parts: readonly Uint8Array[]): Buffer {
  return tagged(0x30, Buffer.concat(parts));
}
