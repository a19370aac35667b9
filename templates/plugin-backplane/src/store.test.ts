// What only this store does: its file, and what becomes of a broken one.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { reasonOf } from "@raceway/core";
import { testHost } from "@raceway/testkit";
import { expect, test } from "vitest";
import { fileStore } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "file-store-"));

test("leaves one file, however much is written at once", async () => {
  const file = join(folder, "one.json");
  const store = await fileStore({ file }).start(testHost("server"));
  await Promise.all(
    Array.from({ length: 100 }, (_, at) => store.put(`key ${at}`, new Uint8Array(1_000), { ttlMs: 60_000 })),
  );
  await store[Symbol.asyncDispose]();
  expect(readdirSync(folder)).toEqual(["one.json"]);
});

test("says that a file is broken, and leaves it alone", async () => {
  const file = join(folder, "broken.json");
  writeFileSync(file, "{");
  await expect(fileStore({ file }).start(testHost("server"))).rejects.toSatisfy(
    (error) => reasonOf(error) === "store_unopenable",
  );
  expect(readFileSync(file, "utf8")).toBe("{");
});

test("what cannot be written has not happened", async () => {
  const place = mkdtempSync(join(folder, "place-"));
  const store = await fileStore({ file: join(place, "store.json") }).start(testHost("server"));
  await store.put("a", new Uint8Array([1]), { ttlMs: 60_000 });
  rmSync(place, { recursive: true });
  const put = store.put("a", new Uint8Array([2]), { ttlMs: 60_000 });
  await expect(put).rejects.toSatisfy((error) => reasonOf(error) === "store_failed");
  expect(await store.get("a")).toEqual(new Uint8Array([1]));
});
