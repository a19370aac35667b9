// Hears of changes in folders and all below them, also in folders that come later, go, are moved or replaced.
import { type Dirent, existsSync, type FSWatcher, lstatSync, readdirSync, statSync, watch } from "node:fs";
import { dirname, join } from "node:path";

/** Folders that come together, as by a checkout, are looked at together. */
const TOGETHER_MS = 10;

export interface TreeWatchOptions {
  /** Whether a change of this file is of interest. */
  matches(path: string): boolean;
  /** A file may have changed, come or gone; or a folder with all below it has come or gone. Never within a call of the watch. */
  changed(path: string): void;
  /** The system does not let it watch; it may have missed changes. */
  failed(error: Error): void;
}

/**
 * One watcher a folder, since that tells the same on all systems, and what editors and version control do (write beside and move over,
 * move folders) is seen by looking again. Folders with a leading dot and `node_modules` are left out, as they are by the generator.
 */
export class TreeWatch implements Disposable {
  readonly #options: TreeWatchOptions;
  readonly #watched = new Map<string, { readonly watcher: FSWatcher; readonly inode: bigint }>();
  #roots: ReadonlyMap<string, boolean> = new Map();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: TreeWatchOptions) {
    this.#options = options;
  }

  /** Absolute folders, each with whether all below it counts. Those that are not there are waited for. What was wanted before is forgotten. */
  want(roots: ReadonlyMap<string, boolean>): void {
    const before = this.#roots;
    this.#roots = roots;
    this.#look((root) => before.has(root)); // what is wanted from now on has not changed
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { watcher } of this.#watched.values()) watcher.close();
    this.#watched.clear();
  }

  /** Watches what is there by now; what came below roots of which it is to tell is told. */
  #look(tells: (root: string) => boolean): void {
    const reached = new Set<string>();
    for (const [root, deep] of this.#roots) this.#reach(root, deep, reached, tells(root));
    for (const [path, { watcher }] of this.#watched) {
      if (reached.has(path)) continue;
      watcher.close();
      this.#watched.delete(path);
      if (!existsSync(path)) this.#options.changed(path);
    }
  }

  #reach(path: string, deep: boolean, reached: Set<string>, tell: boolean): void {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats === undefined || !stats.isDirectory()) {
      // Whoever waits for a folder hears of it from the next one above.
      if (this.#roots.has(path) && dirname(path) !== path) this.#reachAbove(dirname(path), reached, tell);
      return;
    }
    const isNew = this.#open(path, stats.ino);
    if (isNew === undefined) return;
    reached.add(path);
    if (this.#roots.has(path) && isLink(path)) this.#reachAbove(dirname(path), reached, tell); // it may come to lead elsewhere
    if (!deep && !(isNew && tell)) return;
    // Read only after the watcher is there, so that nothing comes between the two.
    for (const entry of entriesOf(path)) {
      const at = join(path, entry.name);
      if (entry.isDirectory()) {
        if (deep && !entry.name.startsWith(".") && entry.name !== "node_modules") this.#reach(at, true, reached, tell);
      } else if (isNew && tell && this.#options.matches(at)) this.#options.changed(at);
    }
  }

  #reachAbove(path: string, reached: Set<string>, tell: boolean): void {
    const stats = statSync(path, { bigint: true, throwIfNoEntry: false });
    if (stats?.isDirectory() === true) {
      if (this.#open(path, stats.ino) !== undefined) reached.add(path);
    } else if (dirname(path) !== path) this.#reachAbove(dirname(path), reached, tell);
  }

  /** Whether it was not watched before; undefined if it went meanwhile, or cannot be watched. */
  #open(path: string, inode: bigint): boolean | undefined {
    const known = this.#watched.get(path);
    if (known?.inode === inode) return false;
    known?.watcher.close(); // it watches what was moved away
    this.#watched.delete(path);
    try {
      const watcher = watch(path, (event, name) => this.#event(path, event, name));
      watcher.on("error", () => this.#lookSoon());
      this.#watched.set(path, { watcher, inode });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") this.#options.failed(explained(error as Error, path));
      return undefined;
    }
  }

  #event(folder: string, event: string, name: string | null): void {
    if (this.#closed) return;
    if (name === null) {
      for (const entry of entriesOf(folder))
        if (this.#options.matches(join(folder, entry.name))) this.#options.changed(join(folder, entry.name));
      this.#lookSoon();
      return;
    }
    const path = join(folder, name);
    if (this.#options.matches(path)) this.#options.changed(path);
    if (event === "rename" && (this.#watched.has(path) || isFolder(path))) this.#lookSoon();
  }

  #lookSoon(): void {
    if (this.#closed) return;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#look(() => true);
    }, TOGETHER_MS);
  }
}

function entriesOf(path: string): readonly Dirent[] {
  try {
    return readdirSync(path, { withFileTypes: true });
  } catch {
    return []; // it has gone meanwhile, of which the folder above tells
  }
}

function isLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

function isFolder(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

function explained(error: Error, path: string): Error {
  const { code } = error as NodeJS.ErrnoException;
  const limited = code === "ENOSPC" || code === "EMFILE" || code === "ENFILE";
  const mend = limited
    ? " The system allows no more watchers: raise fs.inotify.max_user_watches (Linux), or watch fewer folders."
    : "";
  return new Error(`Cannot watch ${path}: ${error.message}.${mend}`, { cause: error });
}
