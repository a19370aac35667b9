// A real nginx for tests, in front of a server: on a free port of the loopback interface, with all its files in a folder of its own, and gone afterwards.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../free-port.ts";

export interface NginxServer extends AsyncDisposable {
  readonly url: string;
}

/** What is within `http { … }`: servers that listen on `port`, and maybe others. `folder` is for what they keep. */
export type NginxConfig = (port: number, folder: string) => string | Promise<string>;

const whole = (folder: string, servers: string): string => `
daemon off; master_process off; pid ${folder}/pid; error_log stderr;
events { worker_connections 256; }
http {
  access_log off;
  ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${folder}/${name};`).join(" ")}
  ${servers}
}`;

/** Keeps what may be kept by its own defaults, asks whether it is still the same when it is too old, and says in `x-cache` what it did. */
export const cacheBefore =
  (upstream: string): NginxConfig =>
  (port, folder) =>
    `
  proxy_cache_path ${folder}/cache keys_zone=answers:1m use_temp_path=off;
  server {
    listen 127.0.0.1:${port};
    location / {
      proxy_pass ${upstream};
      proxy_http_version 1.1;
      proxy_cache answers;
      proxy_cache_revalidate on;
      proxy_cache_lock on;
      add_header x-cache $upstream_cache_status always;
    }
  }`;

export async function nginxServer(program: string, config: NginxConfig): Promise<NginxServer> {
  const folder = mkdtempSync(join(tmpdir(), "raceway-nginx-"));
  for (let tries = 1; ; tries++) {
    const port = await freePort();
    writeFileSync(join(folder, "nginx.conf"), whole(folder, await config(port, folder)));
    const server = spawn(program, ["-p", folder, "-e", "stderr", "-c", join(folder, "nginx.conf")], {
      stdio: ["ignore", "ignore", "pipe"],
    });
    let said = "";
    server.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
    if (await answers(server, port)) {
      return {
        url: `http://127.0.0.1:${port}`,
        async [Symbol.asyncDispose]() {
          await stop(server);
          rmSync(folder, { recursive: true, force: true });
        },
      };
    }
    await stop(server);
    if (tries === 3) throw new Error(`nginx did not come up: ${said}`);
  }
}

async function stop(server: ChildProcess): Promise<void> {
  if (server.exitCode !== null || server.signalCode !== null) return;
  const exit = once(server, "exit");
  server.kill("SIGTERM");
  await exit;
}

/** False if it ended before, or does not listen within 10 seconds. */
async function answers(server: ChildProcess, port: number): Promise<boolean> {
  for (let tries = 0; tries < 400 && server.exitCode === null; tries++) {
    const isThere = await new Promise<boolean>((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      });
      socket.once("error", () => resolve(false));
    });
    if (isThere) return server.exitCode === null;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  return false;
}
