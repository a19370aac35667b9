// The lock: one holder, free when it is released or its holder is dead.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { afterEach, beforeEach, expect, it } from "vitest";
import { FileLock } from "./node-lock.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "raceway-lock-"));
  file = join(folder, "lock");
});
afterEach(() => rm(folder, { recursive: true }));

const script = (answer: string): string => `
  import(${JSON.stringify(fileURLToPath(new URL("node-lock.ts", import.meta.url)))}).then(({ FileLock }) => {
    globalThis.lock = FileLock.take(${JSON.stringify(file)});
    ${answer}(globalThis.lock === undefined ? "busy" : "held");
    setInterval(() => {}, 1000);
  });
`;

it("is held by one at a time, and free after; nothing else is left beside the file", async () => {
  const first = FileLock.take(file);
  expect(first).toBeDefined();
  expect(FileLock.take(file)).toBeUndefined();
  first!.release();
  first!.release();
  const second = FileLock.take(file);
  expect(second).toBeDefined();
  first!.release(); // too late: it is not its own any more
  expect(FileLock.take(file)).toBeUndefined();
  second!.release();
  expect(await readdir(folder)).toEqual(["lock"]);
});

it("holds between threads", async () => {
  const lock = FileLock.take(file);
  const worker = new Worker(script("require('node:worker_threads').parentPort.postMessage"), { eval: true });
  expect((await once(worker, "message"))[0]).toBe("busy");
  await worker.terminate();
  expect(FileLock.take(file)).toBeUndefined(); // the thread's end takes it from nobody
  lock!.release();
});

it("holds between processes, and dies with its holder", async () => {
  const child = spawn(process.execPath, ["--eval", script("process.stdout.write.bind(process.stdout)")], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  try {
    expect(String((await once(child.stdout, "data"))[0])).toBe("held");
    expect(FileLock.take(file)).toBeUndefined();
  } finally {
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  const lock = FileLock.take(file);
  expect(lock).toBeDefined();
  lock!.release();
});

it("is no lock where the file is something else, or its folder is not there", async () => {
  await writeFile(file, "something of the user's own, longer than the head of a database would be ".repeat(20));
  expect(() => FileLock.take(file)).toThrow("not a database");
  expect(() => FileLock.take(join(folder, "none", "lock"))).toThrow("unable to open");
});
