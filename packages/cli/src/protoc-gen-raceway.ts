#!/usr/bin/env node
// The executable `protoc-gen-raceway`, which protoc and `buf generate` start: a request on standard input, a response on standard output.
import { buffer } from "node:stream/consumers";
import { answerProtoc } from "@raceway/generator";

if (process.argv.length > 2 || process.stdin.isTTY) {
  process.stderr.write(
    "protoc-gen-raceway is started by buf generate, or by protoc as --raceway_out=FOLDER. To generate by hand: raceway generate.\n",
  );
  process.exitCode = 2;
} else {
  try {
    const request = await buffer(process.stdin);
    process.stdout.write(await answerProtoc(request, (line) => process.stderr.write(`${line}\n`)));
  } catch (error) {
    process.stderr.write(`protoc-gen-raceway: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
