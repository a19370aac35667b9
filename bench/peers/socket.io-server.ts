// Socket.IO over WebSocket: events and acknowledgements, as its documentation shows them.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { Server, type Socket } from "socket.io";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import type { Counted, Echo, PeerServer } from "../peer.ts";

/** Packets that wait in a connection before a stream stops. */
const HIGH_WATER = 256;

export async function startServer(): Promise<PeerServer> {
  const http = createServer();
  const server = new Server(http, { transports: ["websocket"], serveClient: false });
  server.on("connection", (socket) => {
    let count = 0;
    let last = 0;
    socket.on("echo", (request: Echo, reply: (echo: Echo) => void) =>
      reply({ text: request.text, number: request.number }),
    );
    socket.on("down", (wanted: number, done: () => void) => void down(socket, wanted, done));
    socket.on("up", (event: BenchEvent) => {
      count++;
      last = event.seq;
    });
    socket.on("up-end", (done: (counted: Counted) => void) => {
      done({ count, last });
      count = 0;
    });
    socket.on("ping-event", (event: BenchEvent) => socket.emit("pong-event", event));
    socket.on("subscribe", () => void socket.join("board"));
  });
  http.listen(0, "127.0.0.1");
  await once(http, "listening");
  return {
    port: (http.address() as AddressInfo).port,
    subscribers: () => server.of("/").adapter.rooms.get("board")?.size ?? 0,
    publish(events) {
      for (const event of events) server.to("board").emit("tick", event);
    },
  };
}

async function down(socket: Socket, count: number, done: () => void): Promise<void> {
  const at = monotonicMicros();
  const conn = socket.conn as unknown as { readonly writeBuffer: readonly unknown[] }; // private, but there is no other way to feel backpressure
  for (let seq = 1; seq <= count; seq++) {
    socket.emit("event", makeEvent(seq, at));
    if (conn.writeBuffer.length >= HIGH_WATER) await once(socket.conn, "drain");
  }
  done();
}
