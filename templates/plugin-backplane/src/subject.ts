// This store as a subject of the compliance kit: for `npm test`, and for `raceway plugin test ./dist/subject.js`.
import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { StoreSubject } from "@raceway/testkit";
import { fileStore } from "./store.ts";

const folder = mkdtempSync(join(tmpdir(), "file-store-"));
let files = 0;

export const subject: StoreSubject = {
  traits: fileStore().traits,
  fresh: () => fileStore({ file: join(folder, `${files++}.json`) }),
};
