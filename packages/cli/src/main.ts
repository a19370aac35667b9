#!/usr/bin/env node
// The executable `raceway`.
import { styleText } from "node:util";
import { runCli } from "./cli.ts";
import { Exit } from "./context.ts";

let stop: AbortController | undefined;

/** The first Ctrl-C asks the command to end, the second ends it. */
function stopping(): AbortSignal {
  if (stop === undefined) {
    const controller = (stop = new AbortController());
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => controller.abort());
  }
  return stop.signal;
}

// Whoever reads the output may have enough before there is no more: `raceway subscribe … | head -1`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") process.exit();
    if (stream === process.stdout) process.stderr.write(`raceway: The output cannot be written: ${error.message}\n`);
    process.exit(Exit.failure);
  });
}

/** Node's own answer, after NO_COLOR, FORCE_COLOR and whether it is a terminal. */
const colored = (stream: NodeJS.WriteStream): boolean => styleText("red", "x", { stream }) !== "x";

process.exitCode = await runCli(process.argv.slice(2), {
  cwd: process.cwd(),
  env: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  get input() {
    return process.stdin;
  },
  colors: { out: colored(process.stdout), err: colored(process.stderr) },
  asks: process.stdin.isTTY && process.stdout.isTTY,
  terminal: process.stderr.isTTY && process.env["TERM"] !== "dumb",
  stopping,
});

// What is not read to its end would keep the process, and so would what a module opened that was looked at, such as a server that listens.
// What could not be written is told before.
process.stdout.write("", () => process.stderr.write("", () => setImmediate(() => process.exit())));
