// The journal: what was put is there after a crash at any byte, and the file does not grow for ever.
import { mkdtemp, open, readFile, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Journal } from "./node-journal.ts";
import type { OutboxEntry } from "./outbox-entry.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "raceway-journal-"));
  file = join(folder, "outbox");
});
afterEach(() => rm(folder, { recursive: true }));

const entry = (id: string, request = Uint8Array.of(0, 255, 10)): OutboxEntry => ({
  id,
  madeAt: 1,
  order: 1,
  method: "/a.B/C",
  codec: "proto",
  request,
  header: [{ key: "x-trace", value: "grüße\n" }],
  deadline: 0,
  sentAt: 0,
});

async function reopened(): Promise<OutboxEntry[]> {
  const journal = await Journal.open(file);
  await journal.close();
  return [...journal.entries.values()];
}

it("gives back what was put and not deleted, byte for byte", async () => {
  const journal = await Journal.open(file);
  await Promise.all([journal.put(entry("a")), journal.put(entry("b")), journal.delete("a"), journal.put(entry("c"))]);
  await journal.put({ ...entry("c"), sentAt: 7 });
  await journal.close();
  expect(await reopened()).toEqual([entry("b"), { ...entry("c"), sentAt: 7 }]);
  expect(await reopened()).toEqual([entry("b"), { ...entry("c"), sentAt: 7 }]);
});

it(
  "cut off at any byte, as by a loss of power, keeps what was whole, and what is put after",
  { timeout: 30_000 },
  async () => {
    const journal = await Journal.open(file);
    for (const id of ["a", "b"]) await journal.put(entry(id));
    await journal.close();
    const whole = await readFile(file);
    const ends = [...whole.entries()].filter(([, byte]) => byte === 0x0a).map(([at]) => at + 1);
    for (let length = 0; length <= whole.length; length++) {
      await writeFile(file, whole.subarray(0, length));
      const again = await Journal.open(file);
      const ids = [...again.entries.keys()];
      // The last newline itself may be missing: the line says all the same what it says.
      expect(ids).toEqual(["a", "b"].slice(0, ends.filter((end) => end - 1 <= length).length));
      await again.put(entry("d"));
      await again.close();
      expect((await reopened()).map(({ id }) => id)).toEqual([...ids, "d"]);
    }
  },
);

it("passes over lines that are none of its own", async () => {
  await writeFile(file, `null\n{}\n7\n{"put":null}\n{"put":{"id":"x"}}\n\0\0\0\n${JSON.stringify({ gone: "y" })}\n`);
  const journal = await Journal.open(file);
  await journal.put(entry("a"));
  await journal.close();
  expect(await reopened()).toEqual([entry("a")]);
});

it("is written anew when most of it is past, leaves nothing beside it, and belongs to its owner alone", async () => {
  const journal = await Journal.open(file);
  const large = new Uint8Array(1_000);
  await journal.put(entry("stays"));
  for (let round = 0; round < 20; round++) {
    const ids = Array.from({ length: 100 }, (_, at) => `${round} ${at}`);
    await Promise.all(ids.map((id) => journal.put(entry(id, large))));
    await Promise.all(ids.map((id) => journal.delete(id)));
  }
  const { size, mode } = await stat(file);
  expect(size).toBeLessThan(1_000_000); // 2,000 entries of 1.5 KB went through it
  expect(mode & 0o077).toBe(0);
  await journal.close();
  expect(await reopened()).toEqual([entry("stays")]);
  expect(await readdir(folder)).toEqual(["outbox"]);
});

it("tells whoever put when it cannot be written", async () => {
  const journal = await Journal.open(file);
  await journal.close();
  await expect(journal.put(entry("a"))).rejects.toThrow("closed");
});

it("is whole again after a write that the disk had no room for", async () => {
  const journal = await Journal.open(file);
  await journal.put(entry("a"));
  const probe = await open(file);
  const append = vi
    .spyOn(Object.getPrototypeOf(probe) as typeof probe, "appendFile")
    .mockImplementationOnce(async function (this: typeof probe) {
      await this.write('{"put":{"id":"b","mad');
      throw new Error("no space left");
    });
  await probe.close();
  await expect(journal.put(entry("b"))).rejects.toThrow("no space left");
  append.mockRestore();
  await journal.put(entry("c"));
  await journal.delete("a");
  await journal.close();
  expect((await reopened()).map(({ id }) => id)).toEqual(["b", "c"]);
});

it("says so when its folder is not there", async () => {
  await expect(Journal.open(join(folder, "none", "outbox"))).rejects.toThrow("ENOENT");
});
