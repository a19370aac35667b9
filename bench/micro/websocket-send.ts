// What one delivery costs a server: Raceway's WebSocket link beside `ws.send` and beside a bare `socket.write` of bytes framed before.
// Run: node -C @raceway/source bench/micro/websocket-send.ts [sockets…]
//
// One publication a turn goes to all sockets of one way, then the next way has its turn: so each round holds pairs, and the ratio within a
// round is the figure to trust. The readers are in a process of their own; what is measured is this one's CPU time.
import { type ChildProcess, fork } from "node:child_process";
import { type AddressInfo, createServer, connect, type Socket } from "node:net";
import type { Link } from "@raceway/core";
import { hostTransport } from "@raceway/server/node";
import { websocket } from "@raceway/transport-websocket/server";
import { type WebSocket, WebSocketServer } from "ws";
import { median } from "../statistics.ts";

const ROUNDS = 15;
const ROUND_MS = 40;

if (process.argv[2] === "read") readAll(process.argv.slice(3).map(Number));
else
  for (const sockets of process.argv.length > 2 ? process.argv.slice(2).map(Number) : [100, 1_000])
    await measure(sockets);

/** Connects so many sockets to each port, asks for a WebSocket, and throws away what comes. */
function readAll([count = 0, ...ports]: readonly number[]): void {
  let open = 0;
  const connectOne = (port: number, left: number): void => {
    if (left === 0) return;
    const socket = connect(port, "127.0.0.1", () =>
      socket.write(
        "GET /raceway/websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
          "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: raceway.v1\r\n\r\n",
      ),
    );
    socket.once("data", () => {
      socket.on("data", () => {});
      if (++open === count * ports.length) process.send?.("open");
      connectOne(port, left - 1);
    });
  };
  for (const port of ports) connectOne(port, count);
}

async function measure(count: number): Promise<void> {
  const raw: Socket[] = [];
  const plain = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on("error", () => {});
    socket.once("data", () => {
      socket.write("HTTP/1.1 101 Switching Protocols\r\n\r\n");
      raw.push(socket);
    });
  });
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  const peers: WebSocket[] = [];
  const peer = new WebSocketServer({ port: 0, host: "127.0.0.1", perMessageDeflate: false });
  peer.on("connection", (socket) => peers.push(socket));
  const links: Link[] = [];
  await using hosted = await hostTransport(websocket(), (link) => {
    links.push(link);
    return { batch() {}, drain() {}, closed() {} };
  });
  const ports = [
    (plain.address() as AddressInfo).port,
    (peer.address() as AddressInfo).port,
    Number(new URL(hosted.endpoint.url).port),
  ];
  const reader: ChildProcess = fork(import.meta.filename, ["read", String(count), ...ports.map(String)], {
    execArgv: process.execArgv,
  });
  await new Promise((resolve) => reader.once("message", resolve));

  for (const bytes of [113, 16_384]) {
    const payload = Buffer.alloc(bytes, 10);
    const framed = Buffer.concat([
      bytes < 126 ? Buffer.from([0x82, bytes]) : Buffer.from([0x82, 126, bytes >> 8, bytes & 0xff]),
      payload,
    ]);
    const ways: Record<string, () => void> = {
      "socket.write of framed bytes": () => {
        for (const socket of raw) socket.write(framed);
      },
      "ws.send": () => {
        for (const socket of peers) socket.send(payload);
      },
      "link.send, one array for all": () => {
        const parts = [payload];
        for (const link of links) link.send(parts);
      },
      "link.send, an array each, 4 parts": () => {
        const quarter = bytes >> 2;
        for (const link of links)
          link.send([
            payload.subarray(0, quarter),
            payload.subarray(quarter, 2 * quarter),
            payload.subarray(2 * quarter, 3 * quarter),
            payload.subarray(3 * quarter),
          ]);
      },
    };
    await compareTurns(`${count} sockets, ${bytes} B`, count, Object.entries(ways));
  }
  reader.kill();
  for (const socket of raw) socket.destroy();
  for (const socket of peers) socket.terminate();
  plain.close();
  peer.close();
}

async function compareTurns(
  name: string,
  count: number,
  ways: readonly (readonly [string, () => void])[],
): Promise<void> {
  const costs = ways.map((): number[] => []);
  for (let round = 0; round < ROUNDS + 2; round++) {
    for (let index = 0; index < ways.length; index++) {
      const way = (index + round) % ways.length; // who comes first changes, so that nobody always follows the same neighbour
      const turn = ways[way]![1];
      let turns = 0;
      const begin = process.cpuUsage();
      let micros = 0;
      do {
        turn();
        await new Promise((resolve) => setImmediate(resolve));
        turns++;
        const used = process.cpuUsage(begin);
        micros = used.user + used.system;
      } while (micros < ROUND_MS * 1_000);
      if (round > 1) costs[way]!.push(micros / (turns * count));
      await new Promise((resolve) => setTimeout(resolve, 5)); // lets the readers catch up
    }
  }
  console.log(name);
  for (const [way, [label]] of ways.entries()) {
    const ratio = (to: number): string =>
      median(costs[way]!.map((cost, round) => costs[to]![round]! / cost)).toFixed(2);
    console.log(
      `  ${label.padEnd(36)} ${median(costs[way]!).toFixed(2).padStart(7)} µs   ${ratio(0)} × raw   ${ratio(1)} × ws`,
    );
  }
}
