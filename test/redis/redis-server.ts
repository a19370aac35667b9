// A real Redis for tests: on a free port of the loopback interface, in a folder of its own, and gone afterwards.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  /** Stops it in its tracks, until `wake`. */
  sleep(): void;
  wake(): void;
  /** Without a chance to say goodbye. */
  kill(): Promise<void>;
  /** Again on the same port, with nothing in it. */
  start(): Promise<void>;
}

export async function redisServer(program: string): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), "raceway-redis-"));
  const port = await freePort();
  let server: ChildProcess | undefined;
  const it: RedisServer = {
    url: `redis://127.0.0.1:${port}`,
    sleep: () => void server?.kill("SIGSTOP"),
    wake: () => void server?.kill("SIGCONT"),
    async kill() {
      if (server === undefined || server.exitCode !== null || server.signalCode !== null) return;
      const exit = once(server, "exit");
      server.kill("SIGKILL");
      await exit;
    },
    async start() {
      const args = `--port ${port} --bind 127.0.0.1 --save --appendonly no --dir ${folder}`.split(" ");
      args.splice(args.indexOf("--save") + 1, 0, "");
      server = spawn(program, args, { stdio: "ignore" });
      for (let tries = 0; !(await answers(port)); tries++) {
        if (server.exitCode !== null || tries > 200) throw new Error(`redis-server did not come up on port ${port}`);
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    },
    async [Symbol.asyncDispose]() {
      await it.kill();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  await it.start();
  return it;
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.once("data", (bytes) => {
      socket.destroy();
      resolve(bytes.toString().startsWith("+PONG"));
    });
    socket.once("error", () => resolve(false));
  });
}
