// The store held against the compliance kit, in both degrees of durability, on files of its own.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StorePart } from "@raceway/core";
import { storeCases } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { afterAll, describe } from "vitest";
import { sqliteStore } from "./index.ts";

const folder = mkdtempSync(join(tmpdir(), "raceway-store-"));
afterAll(() => rmSync(folder, { recursive: true }));

let files = 0;
describe.each(["full", "normal"] as const)("sqlite store, synchronous %s", (synchronous) => {
  const fresh = (): StorePart => sqliteStore({ file: join(folder, `${++files}.sqlite`), synchronous });
  registerCases(storeCases({ traits: fresh().traits, fresh }));
});
