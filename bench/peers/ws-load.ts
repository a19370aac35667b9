// Calls the bare `ws` server: the `ws` client for calls and streams, raw sockets for subscribers.
import { once } from "node:events";
import { WebSocket } from "ws";
import type { Arrivals } from "../arrivals.ts";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import type { Counted, Echo, PeerClient, PeerLoad, RawConnection } from "../peer.ts";
import { readJsonEvent } from "../raw/read-event.ts";
import { openRawWebSocket } from "../raw/websocket.ts";

interface Reply {
  readonly id: number;
  readonly body: unknown;
  readonly end?: true;
}

const HIGH_WATER = 65_536;

export function openLoad(port: number, variant: string): PeerLoad {
  const silent = { arrived() {}, message() {}, failed() {} };
  return {
    connect: () => connectClient(port),
    async subscribe(arrivals) {
      if (variant === "deflate") return subscribeInflating(port, arrivals);
      const raw = await openRawWebSocket(port, "/", undefined, {
        arrived: () => arrivals.arrived(),
        message: (chunk, start) => readJsonEvent(chunk, start, arrivals),
        failed: (error) => arrivals.failed(error),
      });
      raw.send(Buffer.from(JSON.stringify({ id: 0, method: "subscribe" })), false);
      return raw;
    },
    idle: () => openRawWebSocket(port, "/", undefined, silent),
  };
}

/** By the `ws` client, which negotiates permessage-deflate; its cost is the load's. */
async function subscribeInflating(port: number, arrivals: Arrivals): Promise<RawConnection> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: true });
  socket.on("message", (data: Buffer) => {
    arrivals.arrived();
    readJsonEvent(data, 0, arrivals);
  });
  let closing = false;
  socket.on("close", () => closing || arrivals.failed(new Error("The server closed a WebSocket.")));
  await once(socket, "open");
  if (!socket.extensions.includes("permessage-deflate")) throw new Error("permessage-deflate was not agreed on.");
  socket.send(JSON.stringify({ id: 0, method: "subscribe" }));
  return {
    close() {
      closing = true;
      socket.terminate();
    },
  };
}

async function connectClient(port: number): Promise<PeerClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`, { perMessageDeflate: false });
  const waiting = new Map<number, (reply: Reply) => void>();
  let lastId = 0;
  socket.on("message", (data: Buffer) => {
    const reply = JSON.parse(data.toString()) as Reply;
    waiting.get(reply.id)?.(reply);
  });
  await once(socket, "open");
  function call<T>(method: string, body: unknown, id = ++lastId): Promise<T> {
    return new Promise((resolve) => {
      waiting.set(id, (reply) => {
        waiting.delete(id);
        resolve(reply.body as T);
      });
      socket.send(JSON.stringify({ id, method, body }));
    });
  }
  return {
    echo: (text, number) => call<Echo>("echo", { text, number }),
    down: (count, take) =>
      new Promise((resolve) => {
        const id = ++lastId;
        waiting.set(id, (reply) => {
          if (!reply.end) return take((reply.body as BenchEvent).seq);
          waiting.delete(id);
          resolve();
        });
        socket.send(JSON.stringify({ id, method: "down", body: { count } }));
      }),
    async up(count) {
      const id = ++lastId;
      const at = monotonicMicros();
      for (let seq = 1; seq <= count; seq++) {
        const data = JSON.stringify({ id, method: "up", body: makeEvent(seq, at) });
        if (socket.bufferedAmount < HIGH_WATER) socket.send(data);
        else await new Promise<void>((resolve) => socket.send(data, () => resolve()));
      }
      return call<Counted>("up-end", null, id);
    },
    async converse() {
      const id = ++lastId;
      return { say: async (event) => (await call<BenchEvent>("pingpong", event, id)).seq, end() {} };
    },
    async close() {
      socket.close();
      await once(socket, "close");
    },
  };
}
