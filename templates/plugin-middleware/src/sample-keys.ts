// A database of keys, for tests.
import { createHash } from "node:crypto";
import type { ApiKey } from "./key.ts";

const keys: Readonly<Record<string, ApiKey>> = {
  "ann writes": { owner: "ann", mayWrite: true },
  "bob reads": { owner: "bob", mayWrite: false },
  "cid has boards": { owner: "cid", mayWrite: true, topics: ["boards/"] },
};

export const database: ReadonlyMap<string, ApiKey> = new Map(
  Object.entries(keys).map(([text, key]) => [createHash("sha256").update(text).digest("hex"), key]),
);
