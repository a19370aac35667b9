#!/usr/bin/env node
// The executable `raceway`.
import { styleText } from "node:util";
import { failureText, runCli, wantsJson } from "./cli.ts";
import { Exit } from "./context.ts";

const args = process.argv.slice(2);
let stop: AbortController | undefined;
let reading: NodeJS.ReadStream | undefined;

/** The first Ctrl-C asks the command to end, the second ends it. */
function stopping(): AbortSignal {
  if (stop === undefined) {
    const controller = (stop = new AbortController());
    const end = (): void => {
      controller.abort();
      reading?.destroy(); // what is still to be typed is not waited for
    };
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
  }
  return stop.signal;
}

/** Whether the process may end: the command has, or what keeps it from its end is told. */
let over = false;

function leave(code: number): never {
  over = true;
  process.exit(code);
}

function fail(message: string): void {
  process.stderr.write(
    failureText(message, { json: wantsJson(args), code: Exit.failure, color: colored(process.stderr) }),
  );
}

// Whoever reads the output may have enough before there is no more: `raceway subscribe … | head -1`.
for (const stream of [process.stdout, process.stderr]) {
  stream.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code === "EPIPE") leave(Number(process.exitCode ?? Exit.fine));
    if (stream === process.stdout) fail(`The output cannot be written: ${error.message}`);
    leave(Exit.failure);
  });
}

// What a module of the user's does behind our back must not look like an answer of the command.
process.on("uncaughtException", (error: unknown) => {
  fail(error instanceof Error ? (error.stack ?? error.message) : String(error));
  leave(Exit.failure);
});
process.on("exit", (code) => {
  if (over) return;
  fail(`The process was ended (process.exit(${code})) before the command was; a module that it loaded did so.`);
  process.exitCode = Exit.failure;
});
let idle = false;
process.on("beforeExit", () => {
  if (over) return;
  if (idle) {
    fail("The command waits for something that can no longer happen.");
    leave(Exit.failure);
  }
  idle = true; // whoever else notices may go on now
  setImmediate(() => undefined);
});

/** Node's own answer, after NO_COLOR, FORCE_COLOR and whether it is a terminal. */
function colored(stream: NodeJS.WriteStream): boolean {
  return styleText("red", "x", { stream }) !== "x";
}

process.exitCode = await runCli(args, {
  cwd: process.cwd(),
  env: process.env,
  out: (text) => process.stdout.write(text),
  err: (text) => process.stderr.write(text),
  get input() {
    return (reading = process.stdin);
  },
  colors: { out: colored(process.stdout), err: colored(process.stderr) },
  asks: process.stdin.isTTY && process.stdout.isTTY,
  typed: process.stdin.isTTY,
  columns: process.stdout.columns ?? process.stderr.columns,
  terminal: process.stderr.isTTY && process.env["TERM"] !== "dumb",
  stopping,
});
over = true;

// What is not read to its end would keep the process, and so would what a module opened that was looked at, such as a server that listens.
// What could not be written is told before.
process.stdout.write("", () => process.stderr.write("", () => setImmediate(() => process.exit())));
