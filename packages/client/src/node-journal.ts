// A table of outbox entries in a file of lines: changes are appended and synced, and the file is written anew when most of it is past.
import { type FileHandle, open, readFile, rename } from "node:fs/promises";
import { dirname } from "node:path";
import type { OutboxEntry } from "./outbox-entry.ts";

/** Lines that are past, above which the file is written anew if they are also more than those that count. */
const PAST_LINES = 1_000;

/** One line: an entry with its request in base64, or the id of one that is gone. */
type Line = { readonly put: Omit<OutboxEntry, "request"> & { readonly request: string } } | { readonly gone: string };

const lineOf = (line: Line): string => `${JSON.stringify(line)}\n`;
const putLine = (entry: OutboxEntry): string =>
  lineOf({ put: { ...entry, request: Buffer.from(entry.request).toString("base64") } });

interface Waiting {
  readonly text: string;
  readonly done: () => void;
  readonly failed: (error: unknown) => void;
}

export class Journal {
  readonly #file: string;
  readonly #entries: Map<string, OutboxEntry>;
  #handle: FileHandle;
  #lines: number;
  #waiting: Waiting[] = [];
  #writing: Promise<void> | undefined;

  private constructor(file: string, entries: Map<string, OutboxEntry>, handle: FileHandle) {
    this.#file = file;
    this.#entries = entries;
    this.#handle = handle;
    this.#lines = entries.size;
  }

  /** Reads what is there, and writes it anew, so that nothing follows a line that a crash cut off. */
  static async open(file: string): Promise<Journal> {
    const entries = await read(file);
    return new Journal(file, entries, await writeAnew(file, entries));
  }

  get entries(): ReadonlyMap<string, OutboxEntry> {
    return this.#entries;
  }

  /** Resolves when it is on the disk. */
  put(entry: OutboxEntry): Promise<void> {
    this.#entries.set(entry.id, entry);
    return this.#append(putLine(entry));
  }
  delete(id: string): Promise<void> {
    this.#entries.delete(id);
    return this.#append(lineOf({ gone: id }));
  }

  #append(text: string): Promise<void> {
    return new Promise((done, failed) => {
      this.#waiting.push({ text, done, failed });
      this.#writing ??= this.#write();
    });
  }

  /** What came while the disk was busy goes in one piece, with one sync. */
  async #write(): Promise<void> {
    while (this.#waiting.length > 0) {
      const lot = this.#waiting;
      this.#waiting = [];
      try {
        if (this.#lines + lot.length > this.#entries.size * 2 + PAST_LINES) {
          const old = this.#handle;
          this.#handle = await writeAnew(this.#file, this.#entries); // the lot is in the table already
          this.#lines = this.#entries.size;
          await old.close();
        } else {
          await this.#handle.appendFile(lot.map(({ text }) => text).join(""));
          await this.#handle.datasync();
          this.#lines += lot.length;
        }
        for (const { done } of lot) done();
      } catch (error) {
        this.#lines = Infinity; // half a line may be there, to which nothing can be appended: next time it is written anew
        for (const { failed } of lot) failed(error);
      }
    }
    this.#writing = undefined;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#handle.close();
  }
}

/** A line that is not whole was being written when the process died: nobody was told that it is kept. */
async function read(file: string): Promise<Map<string, OutboxEntry>> {
  const entries = new Map<string, OutboxEntry>();
  let text = "";
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
  for (const each of text.split("\n")) {
    try {
      const line = JSON.parse(each) as Line;
      if ("gone" in line) entries.delete(line.gone);
      else entries.set(line.put.id, { ...line.put, request: new Uint8Array(Buffer.from(line.put.request, "base64")) });
    } catch {
      // not whole, or none of ours
    }
  }
  return entries;
}

/** Beside the file first, then in its place: whenever the process dies, one of the two is whole. */
async function writeAnew(file: string, entries: ReadonlyMap<string, OutboxEntry>): Promise<FileHandle> {
  const beside = `${file}.new`;
  const handle = await open(beside, "w", 0o600);
  try {
    await handle.appendFile([...entries.values()].map(putLine).join(""));
    await handle.sync();
    await rename(beside, file);
    const folder = await open(dirname(file));
    try {
      await folder.sync(); // the name, too
    } finally {
      await folder.close();
    }
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}
