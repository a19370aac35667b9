// `raceway dev`: what it does.
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { configNames } from "../config.ts";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { ServerProcess } from "../dev/server-process.ts";
import { isFile } from "../is-file.ts";
import { checkSeconds } from "../seconds.ts";
import { TreeWatch } from "../watch/tree-watch.ts";
import { watchGenerate } from "../watch/watch-generate.ts";
import type { DevArguments } from "./dev.ts";

/** Editors and the generator write several files at once. */
const QUIET_MS = 100;

export async function runDev(args: DevArguments, context: CommandContext): Promise<number> {
  const file = resolve(context.cwd, args.server);
  if (!isFile(file)) throw new UsageError(`There is no file ${args.server}. Name the one that starts the server.`);
  checkSeconds("grace", args.grace, 0);
  const stopping = context.stopping();
  const failure = Promise.withResolvers<never>();
  const say = (event: string, text: string, facts: object = {}): void => {
    if (args.json) context.out(`${JSON.stringify({ event, ...facts })}\n`);
    else context.err(`${text}\n`);
  };
  const server = new ServerProcess({
    file,
    args: (args["--"] ?? []).map(String),
    cwd: context.cwd,
    env: context.env,
    graceMs: args.grace * 1000,
    outTaken: args.json,
    ended: (code, signal) => {
      if (stopping.aborted) return; // a terminal's Ctrl-C is for it, too
      say("ended", `the server ended with ${signal ?? `code ${code}`}; it is started again after the next change`, {
        code,
        signal,
      });
    },
    killed: () => say("killed", `the server did not drain within ${args.grace} s, and was ended`),
  });

  let running = false;
  let timer: NodeJS.Timeout | undefined;
  const restart = (): void => {
    if (stopping.aborted) return;
    const again = running;
    running = true;
    say(again ? "restarting" : "starting", again ? "starting the server anew" : `starting ${args.server}`);
    server.restart().catch((error: unknown) => failure.reject(error as Error));
  };
  const changed = (): void => {
    clearTimeout(timer);
    timer = setTimeout(restart, QUIET_MS);
  };
  const folders = (args.watch ?? [dirname(args.server)]).map((folder) => resolve(context.cwd, folder));
  using tree = new TreeWatch({
    matches: (path) => /\.([cm]?[jt]sx?|json)$/.test(path) && !path.endsWith(".raceway-manifest.json"),
    changed: () => {
      if (running) changed();
    },
    failed: (error) => failure.reject(error),
  });
  tree.want(new Map(folders.map((folder) => [folder, true])));

  const stopped = new Promise<void>((done) => {
    if (stopping.aborted) done();
    stopping.addEventListener("abort", () => done());
  });
  try {
    const generating = configNames.some((name) => existsSync(join(context.cwd, name)))
      ? watchGenerate(generateArguments, args.json, context, {
          written: () => {
            if (running) changed();
          },
          checked: (errors) => {
            if (!running && errors === 0) restart();
          },
        })
      : stopped;
    if (generating === stopped) restart();
    await Promise.race([generating, failure.promise]);
  } finally {
    clearTimeout(timer);
    await server.end();
  }
  return Exit.fine;
}

/** As `raceway generate --watch` without anything else. */
const generateArguments: Parameters<typeof watchGenerate>[0] = {
  inputs: undefined,
  out: undefined,
  "proto-path": undefined,
  "import-extension": undefined,
  target: undefined,
  "target-option": undefined,
  "keep-option": undefined,
  watch: true,
  check: undefined,
  "dry-run": undefined,
  "error-format": "text",
  json: false,
};
