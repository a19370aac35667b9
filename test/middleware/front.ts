// A reverse proxy in front of a server, as many have one: it writes headers into every request, and can cut what goes through it.
import { createServer, request } from "node:http";
import { type ClientHttp2Session, connect as connect2, createServer as createServer2 } from "node:http2";
import { type AddressInfo, type Server, type Socket, connect } from "node:net";

export interface Front extends AsyncDisposable {
  readonly url: string;
  /** All connections to it end; new ones may come. */
  readonly cut: () => void;
}

/** In front of `to`, for clients that speak HTTP/1.1 (with upgrades) or HTTP/2 without TLS. */
export async function front(
  to: string,
  version: 1 | 2,
  headers: Readonly<Record<string, string>> = {},
): Promise<Front> {
  const server = version === 1 ? front1(to, headers) : front2(to, headers);
  const sockets = new Set<Socket>();
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    async [Symbol.asyncDispose]() {
      const closed = new Promise((resolve) => server.close(resolve));
      cut();
      await closed;
    },
  };
}

function front1(to: string, added: Readonly<Record<string, string>>): Server {
  const server = createServer((incoming, outgoing) => {
    const onward = request(
      new URL(incoming.url!, to),
      { method: incoming.method!, headers: { ...incoming.headers, ...added }, agent: false },
      (answer) => {
        outgoing.writeHead(answer.statusCode!, answer.headers).flushHeaders();
        answer.on("error", () => outgoing.destroy()).pipe(outgoing);
      },
    );
    onward.on("error", () => outgoing.destroy());
    outgoing.on("close", () => onward.destroy());
    incoming.on("error", () => onward.destroy()).pipe(onward);
  });
  server.on("upgrade", (incoming, socket: Socket, head) => {
    const { hostname, port } = new URL(to);
    const lines = Object.entries({ ...incoming.headers, ...added }).map(([name, value]) => `${name}: ${String(value)}`);
    const onward = connect(Number(port), hostname, () => {
      onward.write(`${[`GET ${incoming.url} HTTP/1.1`, ...lines].join("\r\n")}\r\n\r\n`);
      onward.write(head);
      socket.pipe(onward).pipe(socket);
    });
    onward.on("error", () => socket.destroy()).on("close", () => socket.destroy());
    socket.on("close", () => onward.destroy());
  });
  return server;
}

function front2(to: string, added: Readonly<Record<string, string>>): Server {
  const server = createServer2();
  const onwards = new WeakMap<object, ClientHttp2Session>();
  server.on("session", (session) => {
    const onward = connect2(to).on("error", () => session.destroy());
    onwards.set(session, onward);
    session.on("close", () => onward.destroy());
  });
  server.on("stream", (stream, asked, flags) => {
    const ends = (flags & 1) !== 0;
    const onward = onwards.get(stream.session!)!.request({ ...asked, ...added }, { endStream: ends });
    let trailers = {};
    onward.on("trailers", (came) => (trailers = came));
    onward.on("response", (answer, answerFlags) => {
      if ((answerFlags & 1) !== 0) return stream.respond(answer, { endStream: true });
      stream.on("wantTrailers", () => stream.sendTrailers(trailers));
      stream.respond(answer, { waitForTrailers: true });
      onward.pipe(stream);
    });
    onward.on("error", () => stream.destroy());
    stream.on("error", () => onward.destroy());
    stream.on("close", () => onward.close());
    if (!ends) stream.pipe(onward);
  });
  return server;
}
