// Where `raceway scaffold` and `raceway check` find handlers: behind other names, in other projects, for several services.
import { expect, test, vi } from "vitest";
import { HandlerFolder, lines, tsconfig } from "./handler-folder.ts";

// Each run starts a compiler for schemas and one for TypeScript, which take their time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

test("finds handlers behind aliases, re-exports, functions, classes and spreads, and makes them complete", async () => {
  const alias = { paths: { "@gen/*": ["./src/gen/*"], "#lab": ["./src/gen/lab.server.ts"] } };
  using folder = new HandlerFolder({
    "tsconfig.json": tsconfig(alias),
    // Definitions and types under other names.
    "src/contract.ts": `export { labService as laboratory, type LabHandlers as Works } from "@gen/lab.server.ts";\n`,
    "src/barrel.ts": `export * from "./contract.ts";\n`,
    "src/untyped.ts": `export const works = {\n  async point(): Promise<void> {},\n};\n`,
    "src/served.ts": `import { raceway } from "@raceway/server";
import { laboratory } from "./barrel.ts";
import { Base, Lab } from "./classes.ts";
import { works } from "./untyped.ts";
import { worksOf } from "./made.ts";

const app = raceway({ transports: [] });
export const publishers: unknown[] = [
  app.serve(laboratory, works),
  app.serve({ ...laboratory, policy: {} }, new Lab()),
  app.serve(laboratory, worksOf(2)),
  app.serve(laboratory, { ...new Lab(), ...works }),
];
export { Base };
`,
    "src/made.ts": `import type { Works } from "./barrel.ts";

export function worksOf(times: number): Works {
  if (times === 0) return { ...worksOf(1) };
  return {};
}
export const satisfied = { async point() {} } satisfies Partial<Works>;
export const arrow = (): Works => ({ ...satisfied });
`,
    "src/classes.ts": `import type { Works } from "./barrel.ts";

export abstract class Base implements Works {
  abstract say: Works["say"];
  abstract sum: Works["sum"];
  watch: Works["watch"] = async function* () {};
  talk: Works["talk"] = async function* () {};
  point: Works["point"] = () => {};
}
export class Lab {
  static make(): Lab {
    return new Lab();
  }
}
`,
    "src/odd.ts": `import { type LabHandlers } from "#lab";
export const odd: LabHandlers = { };
`,
  });
  const { diagnostics, changes } = await folder.scaffold();
  expect(lines(diagnostics)).toEqual([]);
  expect(changes.map(({ file, handlers }) => [file, handlers.map(({ names }) => names.join(" "))])).toEqual([
    ["src/classes.ts", ["say sum watch talk point"]],
    ["src/made.ts", ["say sum watch talk point", "say sum watch talk"]],
    ["src/odd.ts", ["say sum watch talk point"]],
    ["src/served.ts", ["say sum watch talk"]],
    ["src/untyped.ts", ["say sum watch talk"]],
  ]);
  await folder.generate();
  expect(folder.typeErrors({ ...alias, isolatedDeclarations: false, allowJs: true })).toEqual([]);
  const before = folder.contents();
  expect((await folder.scaffold()).changes).toEqual([]);
  expect(folder.contents()).toEqual(before);
});

test("a class in an expression is one as any other, and what an abstract base leaves to a class is missing there", async () => {
  using folder = new HandlerFolder({
    "src/classes.ts": `import { raceway } from "@raceway/server";
import { type LabHandlers, labService } from "./gen/lab.server.ts";

const app = raceway({ transports: [] });
export abstract class Base implements LabHandlers {
  abstract say(...taken: Parameters<LabHandlers["say"]>): ReturnType<LabHandlers["say"]>;
  abstract sum(...taken: Parameters<LabHandlers["sum"]>): ReturnType<LabHandlers["sum"]>;
  watch: LabHandlers["watch"] = async function* () {};
  talk: LabHandlers["talk"] = async function* () {};
  point: LabHandlers["point"] = () => {};
}
export const Alone = class implements LabHandlers {};
export const Based = class extends Base {};
export class Declared extends Base {}
export const publishers: unknown = app.serve(labService, new (class { point(): void {} })());
`,
  });
  const { diagnostics, changes } = await folder.scaffold();
  expect(lines(diagnostics)).toEqual([]);
  expect(changes.flatMap(({ handlers }) => handlers.map(({ names }) => names.join(" ")))).toEqual([
    "say sum watch talk point",
    "say sum",
    "say sum",
    "say sum watch talk",
  ]);
  await folder.generate();
  expect(folder.typeErrors({ isolatedDeclarations: false })).toEqual([]);
  expect(lines((await folder.check()).diagnostics)).toEqual([]);
  expect((await folder.scaffold()).changes).toEqual([]);
});

test("adds once what several projects import, and to handlers of a package of generated code that was built", async () => {
  const project = (include: string): string => tsconfig({}).replace("./**/*", `../${include}`);
  using folder = new HandlerFolder({
    "tsconfig.json": JSON.stringify({ files: [], references: [{ path: "./lib" }, { path: "./app" }] }),
    "lib/tsconfig.json": project("lib"),
    "app/tsconfig.json": project("app"),
    "lib/handlers.ts": `import type { LabHandlers } from "../src/gen/lab.server.ts";\nexport const handlers: LabHandlers = {};\n`,
    "app/server.ts": `import { raceway } from "@raceway/server";
import { labService } from "../src/gen/lab.server.ts";
import { handlers } from "../lib/handlers.ts";
export const { Code } = { Code: raceway({ transports: [] }).serve(labService, handlers) };
`,
    "node_modules/@acme/api/package.json": `{ "name": "@acme/api", "type": "module", "exports": { "./*": "./dist/*" } }`,
    "node_modules/@acme/api/dist/lab.server.js": "export const labService = {};\n",
    "node_modules/@acme/api/dist/lab.server.d.ts": `export interface LabHandlers { say(text: string): string; }\nexport declare const labService: object;\n`,
    "app/built.ts": `import { raceway } from "@raceway/server";
import { labService } from "@acme/api/lab.server.js";
export function serve(app: ReturnType<typeof raceway>, Code: number): unknown {
  return [Code, app.serve(labService as never, { say: (text: string) => text })];
}
export class Last {
  say(): void {}
  static
}
export const last: unknown = raceway({ transports: [] }).serve(labService as never, new Last());
`,
  });
  const { changes } = await folder.scaffold();
  expect(changes.map(({ file, handlers }) => [file, handlers.map(({ names }) => names.join(" "))])).toEqual([
    ["app/built.ts", ["sum watch talk point", "sum watch talk point"]],
    ["lib/handlers.ts", ["say sum watch talk point"]],
  ]);
  const built = folder.read("app/built.ts");
  expect(built).toContain('import { Code as Code$, ConnectError } from "@connectrpc/connect";');
  expect(built).toContain('is not implemented yet", Code$.Unimplemented);');
  expect(built).toContain("static;\n");
  expect((await folder.scaffold()).changes).toEqual([]);
});

test("one object or class can be the handlers of several services", async () => {
  using folder = new HandlerFolder({
    "proto/lab.proto": `syntax = "proto3"; package two.v1;
service OneService { rpc Say(M) returns (M); rpc Both(M) returns (M); rpc Talk(stream M) returns (stream M); }
service TwoService { rpc Hear(M) returns (stream M); rpc Both(M) returns (M); }
message M { string text = 1; }`,
    "src/class.ts": `import type { OneHandlers, TwoHandlers } from "./gen/lab.server.ts";
export class Two implements OneHandlers, TwoHandlers {}
export const both: OneHandlers & TwoHandlers = {
  say: (request) => request,
  async *hear(request) { yield request; },
};
`,
    "src/served.ts": `import { raceway } from "@raceway/server";
import { oneService, twoService } from "./gen/lab.server.ts";
import type { M } from "./gen/lab_pb.ts";
const shared = { both: (request: M): M => request };
const app = raceway({ transports: [] });
export const served: unknown[] = [app.serve(oneService, shared), app.serve(twoService, shared)];
export function turns(times: number): typeof shared {
  if (times > 3) return turns(times - 1);
  return times > 2 ? turns(1) : times > 1 ? turns(0) : shared;
}
app.serve(oneService, turns(9) as never);
`,
  });
  const { changes, diagnostics } = await folder.scaffold();
  expect(lines(diagnostics)).toEqual([]);
  expect(changes.map(({ file, handlers }) => [file, handlers.map(({ names }) => names.join(" "))])).toEqual([
    ["src/class.ts", ["say both talk", "hear", "both talk"]],
    ["src/served.ts", ["say talk", "hear"]],
  ]);
  await folder.generate();
  expect(folder.typeErrors({ isolatedDeclarations: false })).toEqual([]);
  expect(lines((await folder.check({ types: true })).diagnostics)).toEqual([]);
});
