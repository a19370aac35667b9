// Bare `ws`: JSON in text frames, written as a careful user would write it; the measure of all others.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { type WebSocket, WebSocketServer } from "ws";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import type { Counted, Echo, PeerServer } from "../peer.ts";

interface Message {
  readonly id: number;
  readonly method: "echo" | "down" | "up" | "up-end" | "pingpong" | "subscribe";
  readonly body: unknown;
}

/** Bytes that wait in a socket before a stream stops. */
const HIGH_WATER = 65_536;

export async function startServer(variant: string): Promise<PeerServer> {
  const subscribers = new Set<WebSocket>();
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: variant === "deflate" });
  server.on("connection", (socket) => {
    const uploads = new Map<number, { count: number; last: number }>();
    socket.on("message", (data: Buffer) => {
      const { id, method, body } = JSON.parse(data.toString()) as Message;
      switch (method) {
        case "echo": {
          const { text, number } = body as Echo;
          socket.send(JSON.stringify({ id, body: { text, number } }));
          break;
        }
        case "down":
          void down(socket, id, (body as Counted).count);
          break;
        case "up": {
          let upload = uploads.get(id);
          if (!upload) uploads.set(id, (upload = { count: 0, last: 0 }));
          upload.count++;
          upload.last = (body as BenchEvent).seq;
          break;
        }
        case "up-end":
          socket.send(JSON.stringify({ id, body: uploads.get(id) }));
          uploads.delete(id);
          break;
        case "pingpong":
          socket.send(JSON.stringify({ id, body }));
          break;
        case "subscribe":
          subscribers.add(socket);
          socket.on("close", () => subscribers.delete(socket));
          break;
      }
    });
  });
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    subscribers: () => subscribers.size,
    publish(events) {
      for (const event of events) {
        const data = Buffer.from(JSON.stringify(event)); // once for all; `ws` would encode a string once per socket
        for (const socket of subscribers) socket.send(data, { binary: false }); // compressed from 1,024 bytes on
      }
    },
  };
}

async function down(socket: WebSocket, id: number, count: number): Promise<void> {
  const at = monotonicMicros();
  for (let seq = 1; seq <= count; seq++) {
    const data = JSON.stringify({ id, body: makeEvent(seq, at) });
    if (socket.bufferedAmount < HIGH_WATER) socket.send(data);
    else await new Promise<void>((resolve) => socket.send(data, () => resolve()));
  }
  socket.send(JSON.stringify({ id, end: true }));
}
