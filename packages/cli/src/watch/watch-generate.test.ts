// `raceway generate --watch` in a process of its own: what is written after edits of all kinds, what is said, and how it ends.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { runCli } from "../cli.ts";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

interface Event {
  readonly event: "written" | "finding" | "failed" | "checked";
  readonly changes?: readonly { readonly path: string; readonly change: string }[];
  readonly finding?: { readonly rule: string; readonly file: string };
  readonly message?: string;
  readonly errors?: number;
}

/** A folder with schemas in `proto` and a watch that writes to `gen`. */
class Watched implements AsyncDisposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "raceway-watch-"));
  /** Its own, to see what is left there. */
  readonly temporary: string = join(this.path, "tmp");
  readonly #child: ChildProcess;
  readonly #events: Event[] = [];
  readonly #exited: Promise<unknown>;
  #taken = 0;
  #more = Promise.withResolvers<void>();
  err = "";

  constructor(files: Readonly<Record<string, string>>, args: readonly string[] = ["proto", "--out", "gen"]) {
    mkdirSync(this.temporary);
    this.write(files);
    const main = join(import.meta.dirname, "../main.ts");
    this.#child = spawn(process.execPath, ["-C", "@raceway/source", main, "generate", ...args, "--watch", "--json"], {
      cwd: this.path,
      env: { ...process.env, TMPDIR: this.temporary },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#exited = once(this.#child, "exit");
    this.#child.stderr!.setEncoding("utf8").on("data", (text: string) => (this.err += text));
    createInterface({ input: this.#child.stdout! }).on("line", (line) => {
      this.#events.push(JSON.parse(line) as Event);
      this.#more.resolve();
      this.#more = Promise.withResolvers();
    });
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), text);
    }
  }

  /** The next event that is meant; those before it are left behind. */
  async next(meant: (event: Event) => boolean): Promise<Event> {
    for (;;) {
      for (; this.#taken < this.#events.length; this.#taken++)
        if (meant(this.#events[this.#taken]!)) return this.#events[this.#taken++]!;
      const ended = this.#exited.then(() => {
        throw new Error(`The watch ended: ${this.err}`);
      });
      await Promise.race([this.#more.promise, ended]);
    }
  }

  /** The next time that all is checked. */
  checked(): Promise<Event> {
    return this.next(({ event }) => event === "checked");
  }

  /** Names of the changes when this file next changes. */
  async wrote(path: string): Promise<readonly string[]> {
    const { changes } = await this.next((event) => event.changes?.some((one) => one.path === path) ?? false);
    return changes!.map((one) => `${one.path} ${one.change}`);
  }

  generated(): Readonly<Record<string, string>> {
    return filesUnder(join(this.path, "gen"));
  }

  /** What a run from nothing gives now. */
  async fromNothing(): Promise<Readonly<Record<string, string>>> {
    const fresh = mkdtempSync(join(tmpdir(), "raceway-fresh-"));
    try {
      for (const [name, text] of Object.entries(filesUnder(join(this.path, "proto")))) {
        mkdirSync(dirname(join(fresh, "proto", name)), { recursive: true });
        writeFileSync(join(fresh, "proto", name), text);
      }
      const silent = (): void => undefined;
      expect(await runCli(["generate", "proto", "--out", "gen"], { cwd: fresh, out: silent, err: silent })).toBe(0);
      return filesUnder(join(fresh, "gen"));
    } finally {
      rmSync(fresh, { recursive: true, force: true });
    }
  }

  /** Resolves to how it ended. */
  async stop(signal: NodeJS.Signals): Promise<unknown> {
    this.#child.kill(signal);
    return this.#exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) await this.stop("SIGTERM");
    rmSync(this.path, { recursive: true, force: true });
  }
}

function filesUnder(folder: string): Readonly<Record<string, string>> {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(paths.map((path) => [path.slice(folder.length + 1), readFileSync(path, "utf8")]));
}

const schema = (name: string, field = "text"): string =>
  `syntax = "proto3";\npackage ${name}.v1;\nservice ${name}Service { rpc Do(M) returns (M); }\nmessage M { string ${field} = 1; }\n`;

test("an edit is written at once; what is not touched stays", async () => {
  await using watched = new Watched({ "proto/a/v1/a.proto": schema("a"), "proto/b/v1/b.proto": schema("b") });
  await watched.checked();
  expect(Object.keys(watched.generated())).toHaveLength(9);
  watched.write({ "proto/a/v1/a.proto": schema("a", "other") });
  expect(await watched.wrote("a/v1/a_pb.ts")).toEqual(["a/v1/a_pb.ts changed"]);
  expect(watched.generated()["a/v1/a_pb.ts"]).toContain("other: string");
  expect(await watched.checked()).toEqual({ event: "checked", errors: 0, warnings: 0 });
  expect(watched.err).toBe("");
});

test("an error is said once with its place, nothing is lost, and the watch goes on", async () => {
  await using watched = new Watched({ "proto/a/v1/a.proto": schema("a"), "proto/b/v1/b.proto": schema("b") });
  await watched.checked();
  watched.write({ "proto/a/v1/a.proto": schema("a").replace("string", "strin") });
  expect((await watched.next(({ event }) => event === "finding")).finding).toMatchObject({
    rule: "name_unknown",
    file: "proto/a/v1/a.proto",
  });
  expect(await watched.next(({ event }) => event !== "written")).toEqual({ event: "checked", errors: 1, warnings: 0 });
  expect(watched.generated()["a/v1/a_pb.ts"]).toContain("text: string");
  watched.write({ "proto/b/v1/b.proto": schema("b", "other") });
  expect(await watched.wrote("b/v1/b_pb.ts")).toEqual(["b/v1/b_pb.ts changed"]);
  watched.write({ "proto/a/v1/a.proto": schema("a", "mended") });
  await watched.wrote("a/v1/a_pb.ts");
  expect((await watched.checked()).errors).toBe(0);
});

test("saves by way of another file, new folders, moved folders and deleted ones", async () => {
  await using watched = new Watched({ "proto/a/v1/a.proto": schema("a") });
  await watched.checked();
  watched.write({ "proto/a/v1/.a.proto.swp": schema("a", "saved") });
  renameSync(join(watched.path, "proto/a/v1/.a.proto.swp"), join(watched.path, "proto/a/v1/a.proto"));
  await watched.wrote("a/v1/a_pb.ts");
  expect(watched.generated()["a/v1/a_pb.ts"]).toContain("saved: string");

  watched.write({ "proto/deep/er/v1/x.proto": schema("deep.er").replace("deep.erService", "S") });
  expect(await watched.wrote("deep/er/v1/x_pb.ts")).toContain("deep/er/v1/x.client.ts added");
  await watched.checked();

  renameSync(join(watched.path, "proto/deep"), join(watched.path, "proto/moved"));
  watched.write({ "proto/moved/er/v1/x.proto": schema("moved.er").replace("moved.erService", "S") });
  await watched.wrote("moved/er/v1/x_pb.ts");
  await watched.checked();
  watched.write({ "proto/moved/er/v1/x.proto": schema("moved.er", "again").replace("moved.erService", "S") });
  await watched.wrote("moved/er/v1/x_pb.ts");

  rmSync(join(watched.path, "proto/moved"), { recursive: true });
  expect(await watched.wrote("moved/er/v1/x_pb.ts")).toContain("moved/er/v1/x.server.ts deleted");
  expect(watched.generated()).toEqual(await watched.fromNothing());
});

test("a schema behind a link is followed to where it is, and a linked folder to where it comes to lead", async () => {
  await using watched = new Watched({ "proto/v1/a/a.proto": schema("a"), "shared/b.proto": schema("b") }, [
    "proto/now",
    "--out",
    "gen",
  ]);
  symlinkSync("v1", join(watched.path, "proto/now"));
  symlinkSync("../../../shared/b.proto", join(watched.path, "proto/v1/a/b.proto"));
  await watched.wrote("a/b_pb.ts");
  await watched.checked();
  watched.write({ "shared/b.proto": schema("b", "elsewhere") });
  await watched.wrote("a/b_pb.ts");
  await watched.checked();
  expect(watched.generated()["a/b_pb.ts"]).toContain("elsewhere: string");

  watched.write({ "proto/v2/a/a.proto": schema("a", "next") });
  symlinkSync("v2", join(watched.path, "proto/then"));
  renameSync(join(watched.path, "proto/then"), join(watched.path, "proto/now"));
  await watched.wrote("a/a_pb.ts");
  await watched.checked();
  expect(watched.generated()["a/a_pb.ts"]).toContain("next: string");
  expect(Object.keys(watched.generated())).not.toContain("a/b_pb.ts");
});

test("schemas that are all gone, and come back", async () => {
  await using watched = new Watched({ "proto/a/v1/a.proto": schema("a") });
  await watched.checked();
  rmSync(join(watched.path, "proto"), { recursive: true });
  expect((await watched.next(({ event }) => event === "failed")).message).toContain("There is no proto.");
  watched.write({ "proto/a/v1/a.proto": schema("a", "back") });
  await watched.wrote("a/v1/a_pb.ts");
  expect((await watched.checked()).errors).toBe(0);
  watched.write({ "proto/a/v1/a.proto": schema("a", "edited") });
  await watched.wrote("a/v1/a_pb.ts");
});

test("a changed configuration is loaded again, with what it imports; one that cannot be read is told", async () => {
  const config = (out: string): string =>
    `import { names } from "./names.mjs";\nexport default { generate: [{ inputs: names, out: "${out}" }] };`;
  await using watched = new Watched(
    {
      "proto/a/v1/a.proto": schema("a"),
      "other/b/v1/b.proto": schema("b"),
      "names.mjs": 'export const names = ["proto"];',
      "raceway.config.ts": config("gen"),
    },
    [],
  );
  await watched.checked();
  watched.write({ "raceway.config.ts": config("gen2") });
  await watched.wrote("a/v1/a_pb.ts");
  await watched.checked();
  expect(Object.keys(filesUnder(join(watched.path, "gen2")))).toContain("a/v1/a_pb.ts");
  watched.write({ "raceway.config.ts": "export default 1;" });
  expect((await watched.next(({ event }) => event === "failed")).message).toContain("raceway.config.ts has to export");
  watched.write({ "raceway.config.ts": config("gen") });
  await watched.checked();
  watched.write({ "names.mjs": 'export const names = ["proto", "other"];' });
  expect(await watched.wrote("b/v1/b_pb.ts")).toContain("b/v1/b.client.ts added");
});

test.each(["SIGINT", "SIGTERM"] as const)("%s ends it with 0, and nothing is left behind", async (signal) => {
  await using watched = new Watched({ "proto/a/v1/a.proto": schema("a") });
  await watched.checked();
  watched.write({ "proto/a/v1/a.proto": schema("a", "late"), "proto/b/v1/b.proto": schema("b") });
  expect(await watched.stop(signal)).toEqual([0, null]);
  expect(readdirSync(watched.temporary)).toEqual([]);
  expect(Object.keys(watched.generated()).filter((name) => name.endsWith(".tmp"))).toEqual([]);
});

test("what cannot be asked for ends as it does without a watch", async () => {
  const errors: string[] = [];
  const run = (...args: readonly string[]): Promise<number> =>
    runCli(["generate", ...args], { cwd: tmpdir(), out: () => undefined, err: (text) => errors.push(text) });
  expect(await run("proto", "--out", "gen", "--watch", "--check")).toBe(2);
  expect(errors.at(-1)).toContain("--watch writes; it goes with neither --check nor --dry-run.");
  expect(await run("--out", "gen", "--watch")).toBe(2);
  expect(errors.at(-1)).toContain("Name schema files, or folders that have some.");
});

test("whatever was edited, in the end all is as a run from nothing has it", async () => {
  const names = ["a", "b", "c", "d"] as const;
  const text = (name: string, imports: readonly string[], fields: number, flaw = ""): string =>
    `syntax = "proto3";\npackage ${name}.v1;\n${imports.map((one) => `import "${one}/v1/${one}.proto";\n`).join("")}${fields > 1 ? `service S { rpc Do(M) returns (M); }\n` : ""}message M { ${flaw} ${imports.map((one, at) => `${one}.v1.M from_${one} = ${at + 100};`).join(" ")} ${Array.from({ length: fields }, (_, at) => `string f${at} = ${at + 1};`).join(" ")} }\n`;
  const edit = fc.record({
    name: fc.constantFrom(...names),
    what: fc.constantFrom("write", "write", "break", "delete", "move", "back", "wait"),
    imports: fc.uniqueArray(fc.constantFrom(...names), { maxLength: 2 }),
    fields: fc.nat(3),
  });
  await using watched = new Watched({ "proto/a/v1/a.proto": text("a", [], 1), "proto/z/v1/z.proto": text("z", [], 0) });
  await watched.checked();
  let round = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 8 }), async (edits) => {
      for (const { name, what, imports, fields } of edits) {
        const folder = join(watched.path, "proto", name);
        const path = `proto/${name}/v1/${name}.proto`;
        // No circles: each imports earlier letters only.
        const earlier = imports.filter((one) => one < name);
        if (what === "write") watched.write({ [path]: text(name, earlier, fields) });
        if (what === "break") watched.write({ [path]: text(name, earlier, fields, "Gone gone = 9;") });
        if (what === "delete") rmSync(folder, { recursive: true, force: true });
        if (what === "move" && existsSync(folder)) renameSync(folder, join(watched.path, `away-${name}-${round++}`));
        if (what === "back") {
          const away = readdirSync(watched.path).find((one) => one.startsWith(`away-${name}-`));
          if (away !== undefined && !existsSync(folder)) renameSync(join(watched.path, away), folder);
        }
        if (what === "wait") {
          watched.write({ "proto/z/v1/z.proto": text("z", [], 0, `string round${round++} = 1;`) });
          await watched.next(({ event }) => event === "checked");
        }
      }
      // A valid end, of which the last file is new, so that the plan of the whole is made after all of it.
      for (const name of names) {
        const path = `proto/${name}/v1/${name}.proto`;
        if (existsSync(join(watched.path, path))) watched.write({ [path]: text(name, [], (round % 3) + 1) });
      }
      const last = `last${round++}`;
      watched.write({ [`proto/${last}/v1/${last}.proto`]: text(last, [], 1) });
      await watched.wrote(`${last}/v1/${last}_pb.ts`);
      await watched.checked();
      expect(watched.generated()).toEqual(await watched.fromNothing());
    }),
    { numRuns: 15 },
  );
});
