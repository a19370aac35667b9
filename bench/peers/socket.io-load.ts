// Calls the Socket.IO server: its own client for calls and streams, raw sockets that speak its protocol for subscribers.
import { io } from "socket.io-client";
import type { Arrivals } from "../arrivals.ts";
import { type BenchEvent, makeEvent, monotonicMicros } from "../event.ts";
import type { Counted, Echo, PeerClient, PeerLoad, RawConnection } from "../peer.ts";
import { readJsonEvent } from "../raw/read-event.ts";
import { openRawWebSocket } from "../raw/websocket.ts";

const HIGH_WATER = 256;
const TICK = '42["tick",'; // engine.io message, socket.io event

export function openLoad(port: number): PeerLoad {
  return {
    connect: () => connectClient(port),
    subscribe: (arrivals) => openRaw(port, arrivals),
    idle: () => openRaw(port, undefined),
  };
}

/** Engine.io says "0{…}"; the client joins the default namespace with "40", the server confirms with "40{…}". "2" is a ping. */
async function openRaw(port: number, arrivals: Arrivals | undefined): Promise<RawConnection> {
  const { promise: ready, resolve: joined, reject: refused } = Promise.withResolvers<void>();
  const raw = await openRawWebSocket(port, "/socket.io/?EIO=4&transport=websocket", undefined, {
    arrived: () => arrivals?.arrived(),
    message(chunk, start, end) {
      const text = chunk.toString("latin1", start, Math.min(end, start + TICK.length));
      if (text === TICK && arrivals) readJsonEvent(chunk, start + TICK.length, arrivals);
      else if (text.startsWith("40")) joined();
      else if (text === "2") raw.send(Buffer.from("3"), false);
    },
    failed(error) {
      refused(error);
      arrivals?.failed(error);
    },
  });
  raw.send(Buffer.from("40"), false);
  await ready;
  if (arrivals) raw.send(Buffer.from('42["subscribe"]'), false);
  return raw;
}

async function connectClient(port: number): Promise<PeerClient> {
  const socket = io(`http://127.0.0.1:${port}`, { transports: ["websocket"], forceNew: true, reconnection: false });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("connect_error", reject);
  });
  const { engine } = socket.io;
  return {
    echo: (text, number) =>
      new Promise((resolve) => socket.emit("echo", { text, number }, (echo: Echo) => resolve(echo))),
    async down(count, take) {
      const each = (event: BenchEvent): void => take(event.seq);
      socket.on("event", each);
      await new Promise<void>((resolve) => socket.emit("down", count, resolve));
      socket.off("event", each);
    },
    async up(count) {
      const at = monotonicMicros();
      for (let seq = 1; seq <= count; seq++) {
        socket.emit("up", makeEvent(seq, at));
        if (engine.writeBuffer.length >= HIGH_WATER)
          await new Promise<void>((resolve) => engine.once("drain", resolve));
      }
      return new Promise((resolve) => socket.emit("up-end", (counted: Counted) => resolve(counted)));
    },
    async converse() {
      let answered: (event: BenchEvent) => void = () => {};
      const each = (event: BenchEvent): void => answered(event);
      socket.on("pong-event", each);
      return {
        say: (event) =>
          new Promise((resolve) => {
            answered = ({ seq }) => resolve(seq);
            socket.emit("ping-event", event);
          }),
        end: () => void socket.off("pong-event", each),
      };
    },
    async close() {
      if (!socket.connected) return;
      const closed = new Promise<void>((resolve) => socket.once("disconnect", () => resolve()));
      socket.close();
      await closed;
    },
  };
}
