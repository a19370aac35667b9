// A plain TCP connection from load to server: reads the server's CPU time and memory, and makes it publish. One line each way.
import { once } from "node:events";
import { type AddressInfo, connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { CpuProfiler } from "./cpu-profiler.ts";
import { makeEvent, makeRowsEvent, monotonicMicros } from "./event.ts";
import type { PeerServer } from "./peer.ts";

/** The server's side. Returns the port. */
export async function serveControl(peer: PeerServer): Promise<number> {
  const profiler = new CpuProfiler();
  const server = createServer({ noDelay: true }, (socket) => {
    const answer = async (line: string): Promise<unknown> => {
      const [command, first, second, rows] = line.split(" ") as [string, string, string, string | undefined];
      switch (command) {
        case "cpu": {
          const { user, system } = process.cpuUsage();
          return user + system;
        }
        case "memory":
          return settledMemory();
        case "subscribers":
          return peer.subscribers();
        case "profile":
          return profiler.start();
        case "profile-end":
          return profiler.stop(first);
        case "publish": {
          const at = monotonicMicros();
          const make = rows === undefined ? makeEvent : makeRowsEvent;
          peer.publish(Array.from({ length: Number(second) }, (_, index) => make(Number(first) + index, at)));
          return undefined;
        }
        default:
          throw new Error(`Unknown command ${command}.`);
      }
    };
    createInterface({ input: socket }).on("line", (line) => {
      void answer(line).then((value) => {
        if (!line.startsWith("publish")) socket.write(`${JSON.stringify(value ?? null)}\n`);
      });
    });
    socket.on("error", () => socket.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Resident bytes, after garbage is gone: several rounds, since finalizers of one free what the next collects. */
async function settledMemory(): Promise<number> {
  for (let round = 0; round < 4; round++) {
    (globalThis as { gc?: () => void }).gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return process.memoryUsage.rss();
}

/** The load's side. */
export class Control {
  readonly #socket: ReturnType<typeof connect>;
  readonly #waiting: ((value: unknown) => void)[] = [];

  private constructor(socket: ReturnType<typeof connect>) {
    this.#socket = socket;
    createInterface({ input: socket }).on("line", (line) => this.#waiting.shift()?.(JSON.parse(line)));
  }

  static async open(port: number): Promise<Control> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    await once(socket, "connect");
    return new Control(socket);
  }

  #ask<T>(line: string): Promise<T> {
    this.#socket.write(`${line}\n`);
    return new Promise((resolve) => this.#waiting.push(resolve as (value: unknown) => void));
  }

  /** User and system time of the server's process so far, in microseconds. */
  cpu(): Promise<number> {
    return this.#ask("cpu");
  }

  /** Resident memory of the server's process, in bytes. */
  memory(): Promise<number> {
    return this.#ask("memory");
  }

  subscribers(): Promise<number> {
    return this.#ask("subscribers");
  }

  startProfile(): Promise<void> {
    return this.#ask("profile");
  }

  /** Writes what was profiled since `startProfile` to a file. */
  stopProfile(file: string): Promise<void> {
    return this.#ask(`profile-end ${file}`);
  }

  /** Publishes `count` events in one turn of the server's event loop, numbered from `first`. No answer: the deliveries are it. */
  publish(first: number, count: number, rows: boolean | undefined): void {
    this.#socket.write(`publish ${first} ${count}${rows === true ? " rows" : ""}\n`);
  }

  close(): void {
    this.#socket.destroy();
  }
}
