// The compliance cases of a generator target: all that its contract promises, as a list that any runner can run.
import { CONTRACT } from "@raceway/core";
import type { Model, OutputFile, Target, TargetContext } from "@raceway/core/target";
import { type Case, require } from "./case.ts";
import { codeOutsideText } from "./code-outside-text.ts";
import { hostileSchema, MARKER, plainSchemas } from "./target-schemas.ts";

/** What a target is given. */
export interface TargetInput {
  readonly model: Model;
  readonly context: TargetContext;
}

/** What is tested. */
export interface TargetSubject {
  /** Makes the target anew, as a user's configuration does. */
  readonly create: () => Target;
  /** Compiles schemas, text by import path: `compileSchemas` of @raceway/generator. */
  readonly compile: (schemas: Readonly<Record<string, string>>) => Promise<TargetInput>;
  /** Calls of the factory that have to be refused, such as `() => list({ titel: "x" })`. */
  readonly refused?: readonly (() => unknown)[];
}

/** All cases for one target; they may run in any order. */
export function targetCases(subject: TargetSubject): readonly Case[] {
  const on = (name: string, run: (input: TargetInput) => Promise<void>): Case => ({
    name,
    run: async () => run(await subject.compile(plainSchemas)),
  });
  return [
    {
      name: "has a name in kebab-case, and the contract's number",
      run: async () => {
        const { name, contract } = subject.create();
        require(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name), `the name is ${JSON.stringify(name)}`);
        require(contract === CONTRACT, `the contract is ${String(contract)} in place of ${CONTRACT}`);
      },
    },
    on("writes something for a schema that has everything", async (input) => {
      const files = await filesOf(subject.create(), input);
      require(files.length > 0, "there is no file");
    }),
    on("gives the same files again, from the same target and from a new one", async (input) => {
      const target = subject.create();
      const first = await filesOf(target, input);
      requireSameFiles(await filesOf(target, input), first, "a second run of the same target");
      requireSameFiles(await filesOf(subject.create(), input), first, "a new target");
    }),
    on("gives the same files for the same schemas, compiled anew elsewhere", async (input) => {
      const again = await subject.compile(plainSchemas);
      requireSameFiles(
        await filesOf(subject.create(), again),
        await filesOf(subject.create(), input),
        "another compilation",
      );
    }),
    on("does not ask for the time, and leaves nothing to chance", async (input) => {
      const first = await within({ now: 0, chance: 0.1 }, () => filesOf(subject.create(), input));
      const second = await within({ now: 1e12, chance: 0.9 }, () => filesOf(subject.create(), input));
      requireSameFiles(second, first, "another day");
    }),
    on("changes nothing in the model", async ({ model, context }) => {
      const target = subject.create();
      const before = JSON.stringify(model);
      const plain = deepFrozen(JSON.parse(before) as Model);
      await filesOf(target, { model: plain, context });
      await filesOf(target, { model, context });
      require(JSON.stringify(model) === before, "the model has changed");
    }),
    on(
      "needs nothing of the model but its data: one that was written as JSON and read gives the same",
      async (input) => {
        const read = JSON.parse(JSON.stringify(input.model)) as Model;
        requireSameFiles(
          await filesOf(subject.create(), { model: read, context: input.context }),
          await filesOf(subject.create(), input),
          "a model read from JSON",
        );
      },
    ),
    on("names files inside the output folder, each once", async (input) => {
      requirePaths(await filesOf(subject.create(), input));
    }),
    on("says of each file which schema it is made from", async (input) => {
      const known = new Set(input.model.files.map(({ path }) => path));
      for (const { path, source } of await filesOf(subject.create(), input))
        require(known.has(source), `${path} is said to be made from ${source}, which is no file of the model`);
    }),
    {
      name: "writes for one file what it writes for it among others",
      needs: { what: "a target that is perFile", met: subject.create().perFile === true },
      run: async () => {
        const { model, context } = await subject.compile(plainSchemas);
        const all = await filesOf(subject.create(), { model, context });
        for (const file of model.files) {
          const alone = await filesOf(subject.create(), { model: { ...model, files: [file] }, context });
          const among = all.filter(({ source }) => source === file.path);
          requireSameFiles(alone, among, `a run for ${file.path} alone`);
        }
      },
    },
    on("writes lines that end in a line feed alone", async (input) => {
      for (const { path, text } of await filesOf(subject.create(), input))
        require(!text.includes("\r"), `${path} has a carriage return`);
    }),
    on("writes JSON that can be read", async (input) => {
      const hostile = await subject.compile(hostileSchema);
      const files = [...(await filesOf(subject.create(), input)), ...(await filesOf(subject.create(), hostile))];
      for (const { path, text } of files) if (path.endsWith(".json")) requireJson(path, text);
    }),
    {
      name: "keeps comments and names of a hostile schema what they are",
      run: async () => {
        const files = await filesOf(subject.create(), await subject.compile(hostileSchema));
        requirePaths(files);
        for (const { path, text } of files) {
          if (/\.[cm]?[jt]sx?$/.test(path))
            require(!codeOutsideText(text).includes(MARKER), () =>
              `in ${path}, a comment or text of the schema became code`);
          if (/\.(md|html)$/.test(path))
            require(!/<script|<!--|-->|(?<!\\)\]\(javascript:/i.test(text), () =>
              `in ${path}, a comment of the schema became markup`);
        }
      },
    },
    {
      name: "does not mind schemas without channels, and schemas without anything",
      run: async () => {
        for (const schema of ['syntax = "proto3"; package a.v1; message M { string text = 1; }', 'syntax = "proto3";'])
          requirePaths(await filesOf(subject.create(), await subject.compile({ "a/v1/a.proto": schema })));
      },
    },
    {
      name: "refuses wrong options when they are given, and names what is wrong",
      needs: { what: "calls of the factory that have to be refused", met: (subject.refused ?? []).length > 0 },
      run: async () => {
        for (const call of subject.refused ?? []) {
          let error: unknown;
          try {
            call();
          } catch (thrown) {
            error = thrown;
          }
          require(error !== undefined, () => `${String(call)} was not refused`);
          require(error instanceof Error && error.message !== "", () => `${String(call)} says nothing`);
        }
      },
    },
  ];
}

async function filesOf(target: Target, { model, context }: TargetInput): Promise<readonly OutputFile[]> {
  return [...(await target.generate(model, context))];
}

function requireSameFiles(got: readonly OutputFile[], wanted: readonly OutputFile[], what: string): void {
  require(got.length === wanted.length, `${what} gives ${got.length} files in place of ${wanted.length}`);
  for (const [at, { path, text, source }] of wanted.entries()) {
    const one = got[at]!;
    require(one.path === path, `${what} gives ${one.path} in place of ${path}`);
    require(one.source === source, `${what} says that ${path} is made from ${one.source} in place of ${source}`);
    require(one.text === text, () => `${what} gives another ${path}: ${firstDifference(one.text, text)}`);
  }
}

function firstDifference(got: string, wanted: string): string {
  const lines = wanted.split("\n");
  const at = got.split("\n").findIndex((line, number) => line !== lines[number]);
  return `line ${at + 1} is ${JSON.stringify(got.split("\n")[at])} in place of ${JSON.stringify(lines[at])}`;
}

function requirePaths(files: readonly OutputFile[]): void {
  const seen = new Set<string>();
  for (const { path } of files) {
    const parts = path.split("/");
    const plain = parts.every((part) => part !== "" && part !== "." && part !== "..");
    // oxlint-disable-next-line no-control-regex -- control characters are what it is about
    require(plain && !/[\\:*?"<>|\u0000-\u001f]/.test(path), `${JSON.stringify(path)} is no path inside of a folder`);
    require(!seen.has(path.toLowerCase()), `${path} is written twice, or once more where case does not count`);
    seen.add(path.toLowerCase());
  }
}

function requireJson(path: string, text: string): void {
  try {
    JSON.parse(text);
  } catch (error) {
    require(false, `${path} is not JSON: ${String(error)}`);
  }
}

function deepFrozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) for (const one of Object.values(value)) deepFrozen(one);
  return Object.freeze(value);
}

/** Another clock and another chance, for as long as something runs. */
async function within<T>(world: { readonly now: number; readonly chance: number }, run: () => Promise<T>): Promise<T> {
  const { Date: RealDate } = globalThis;
  const { random } = Math;
  class WorldDate extends RealDate {
    constructor(...given: readonly unknown[]) {
      super(...((given.length === 0 ? [world.now] : given) as [number]));
    }
    static override now(): number {
      return world.now;
    }
  }
  globalThis.Date = WorldDate as DateConstructor;
  Math.random = () => world.chance;
  try {
    return await run();
  } finally {
    globalThis.Date = RealDate;
    Math.random = random;
  }
}
