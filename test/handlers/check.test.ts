// `raceway check`: what it says of handlers, without running them.
import { expect, test, vi } from "vitest";
import { HandlerFolder, labSchema, lines, tsconfig } from "./handler-folder.ts";

// Each run starts a compiler for schemas and one for TypeScript, which take their time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

const imports = `import type { LabHandlers } from "./gen/lab.server.ts";\n`;
const fine = {
  say: "say: (request) => request",
  sum: 'async sum(requests) { let text = ""; for await (const one of requests) text += one.text; return { text }; }',
  watch: "async *watch(request, context) { context.signal.throwIfAborted(); yield request; }",
  talk: "talk: (requests) => requests",
  point: "point() {}",
};

/** The body of an object with all handlers, as they should be but for what is said. */
function body(otherwise: Partial<typeof fine> = {}): string {
  return Object.values({ ...fine, ...otherwise })
    .map((one) => `\n  ${one},`)
    .join("");
}

test("is content with handlers of every shape that do what the schema says", async () => {
  using folder = new HandlerFolder({
    "src/typed.ts": `${imports}export const typed: LabHandlers = {${body()}};\n`,
    "src/satisfied.ts": `${imports}export const satisfied = {${body()}} satisfies LabHandlers;\n`,
    "src/spread.ts": `${imports}import { typed } from "./typed.ts";\nexport const spread: LabHandlers = { ...typed, ...(Math.random() > 1 ? { point() {} } : {}) };\n`,
    "src/failing.ts": `${imports}export const failing: LabHandlers = {${body({ say: 'say(request, { fail }) { if (request.text === "") throw fail.full(); return { text: "" }; }' })}};\n`,
    "src/class.ts": `${imports}import { typed } from "./typed.ts";
export class Lab implements LabHandlers {
  say: LabHandlers["say"] = typed.say;
  sum: LabHandlers["sum"] = typed.sum;
  *own(): Generator<number> { yield 1; }
  watch: LabHandlers["watch"] = typed.watch;
  talk: LabHandlers["talk"] = typed.talk;
  async point(): Promise<void> {}
}
`,
    "src/modules.ts": `import type { M } from "./gen/lab_pb.ts";
export const say = (request: M): M => request;
export async function sum(): Promise<{ text: string }> { return { text: "" }; }
export async function* watch(request: M): AsyncGenerator<M> { yield request; }
export const talk = (requests: AsyncIterable<M>): AsyncIterable<M> => requests;
export const point = (): void => {};
export const helper = 1;
`,
    "src/served.ts": `import { raceway } from "@raceway/server";
import { labService } from "./gen/lab.server.ts";
import { Lab } from "./class.ts";
import * as handlers from "./modules.ts";
export function serve(): unknown[] {
  return [raceway({ transports: [] }).serve(labService, handlers), raceway({ transports: [] }).serve(labService, new Lab())];
}
`,
  });
  expect(lines((await folder.check({ types: true })).diagnostics)).toEqual([]);
  await folder.generate();
  expect(folder.typeErrors({ isolatedDeclarations: false })).toEqual([]); // nor has the user's compiler anything to say
});

test("says what does not fit, where, and how to mend it", async () => {
  using folder = new HandlerFolder({
    "src/kinds.ts": `${imports}export const kinds: LabHandlers = {${body({
      say: "async *say(request) { yield request; }",
      sum: "async sum(request: { text: string }) { return request; }",
      watch: "async watch(request) { return request; }",
      point: "async *point() { yield 1; }",
    })}\n};\n`,
    "src/types.ts": `${imports}export const types: LabHandlers = {${body({
      say: "say: async () => ({ text: 5 })",
      talk: 'talk: "later"',
    })}\n};\n`,
    "src/names.ts": `${imports}export const names: LabHandlers = {
  sya: (request) => request,
  news() {},
  "sum": async () => ({}),
  ["watch"]: async function* () {},
  talk: undefined,
  removedLongAgo() {},
};
`,
  });
  const { diagnostics, ok, services } = await folder.check();
  expect([ok, services]).toEqual([false, 1]);
  expect(
    diagnostics.map(
      ({ rule, file, range, message, mend }) => `${file}:${range!.line}:${range!.column} ${rule}: ${message}; ${mend}`,
    ),
  ).toMatchInlineSnapshot(`
    [
      "src/kinds.ts:3:10 handler_kind: say is a call, which gives one message, and its handler gives a stream; return the message, or a promise of it.",
      "src/kinds.ts:4:9 handler_kind: sum is a call, which takes a stream, and its handler takes one message; take an AsyncIterable, and read it with \`for await\`.",
      "src/kinds.ts:5:9 handler_kind: watch is a feed, which gives a stream, and its handler gives none; yield them: \`async *watch(…)\`.",
      "src/kinds.ts:7:10 handler_kind: point is a signal, which gives nothing, and its handler gives a stream; return nothing.",
      "src/names.ts:2:14 handler_missing: point of lab.v1.LabService is a signal without a handler; write it, or have \`raceway scaffold LabService\` begin it.",
      "src/names.ts:2:14 handler_missing: say of lab.v1.LabService is a call without a handler; write it, or have \`raceway scaffold LabService\` begin it.",
      "src/names.ts:3:3 handler_unknown: lab.v1.LabService has no channel sya; did you mean say? If the schema has lost it, remove it.",
      "src/names.ts:4:3 handler_unknown: news of lab.v1.LabService is a topic, which has no handler; publish with what \`app.serve\` gives back, and remove it.",
      "src/names.ts:7:3 handler_type: talk does not fit lab.v1.LabService: Type 'undefined' is not assignable to type '(requests: AsyncIterable<M>, context: CallContext<undefined>) => AsyncIterable<MessageInit<M>>'; take and give what LabHandlers says.",
      "src/names.ts:8:3 handler_unknown: lab.v1.LabService has no channel removedLongAgo; remove it, or bring the channel back to the schema.",
      "src/types.ts:3:3 handler_type: say does not fit lab.v1.LabService: Type 'Promise<{ text: number; }>' is not assignable to type 'MessageInit<M> | Promise<MessageInit<M>>': Types of property 'text' are incompatible: Type 'number' is not assignable to type 'string'; take and give what LabHandlers says.",
      "src/types.ts:6:3 handler_type: talk does not fit lab.v1.LabService: Type 'string' is not assignable to type '(requests: AsyncIterable<M>, context: CallContext<undefined>) => AsyncIterable<MessageInit<M>>'; take and give what LabHandlers says.",
    ]
  `);
  expect(diagnostics.find(({ rule }) => rule === "handler_kind")!.frame).toMatchInlineSnapshot(`
    "  2 | export const kinds: LabHandlers = {
    > 3 |   async *say(request) { yield request; },
        |          ^^^"
  `);
});

test("holds handlers against the schemas, whether or not somebody has generated", async () => {
  using folder = new HandlerFolder({ "src/typed.ts": `${imports}export const typed: LabHandlers = {${body()}};\n` });
  await folder.generate();
  folder.write({
    "proto/lab.proto": `${labSchema
      .replace("rpc Sum(stream M) returns (M);", "rpc Total(stream M) returns (M);")
      .replace(
        "rpc Watch(M) returns (stream M)",
        "rpc Watch(M) returns (M)",
      )} service Other { rpc Do(M) returns (M); }`,
  });
  expect(lines((await folder.check()).diagnostics)).toEqual([
    expect.stringMatching(/^service_unimplemented proto\/lab\.proto:\d+:\d+ lab\.v1\.Other has no handlers$/),
    "handler_missing src/typed.ts:2:14 total of lab.v1.LabService is a call without a handler",
    "handler_unknown src/typed.ts:4:9 lab.v1.LabService has no channel sum",
    "handler_kind src/typed.ts:5:10 watch is a call, which gives one message, and its handler gives a stream",
  ]);
  // Only what is named is looked at.
  expect(lines((await folder.check({ services: ["Other"] })).diagnostics)).toHaveLength(1);
});

test("a service of topics alone needs no handlers, and is to be served; one without channels needs nothing", async () => {
  const news = `${labSchema.slice(0, labSchema.indexOf("// A lab"))}
    service NewsService { rpc News(M) returns (stream M) { option (raceway.v1.channel).topic = { address: "{text}" history: { max_events: 1 } }; } }
    service PlannedService {}
    message M { string text = 1; }`;
  using folder = new HandlerFolder({ "proto/lab.proto": news, "src/empty.ts": "export {};\n" });
  const { diagnostics } = await folder.check();
  expect(diagnostics).toMatchObject([
    {
      message: "lab.v1.NewsService is not served",
      mend: expect.stringContaining("app.serve(newsService, {})") as string,
    },
  ]);
  expect(await folder.scaffold()).toMatchObject({ changes: [], diagnostics: [] });
  folder.write({
    "src/served.ts": `import { raceway } from "@raceway/server";\nimport { newsService } from "./gen/lab.server.ts";\nexport const news: unknown = raceway({ transports: [] }).serve(newsService, {});\n`,
  });
  expect(lines((await folder.check()).diagnostics)).toEqual([]);
});

test("what cannot be analysed is told, and is no error; mistakes within handlers are found with `types`", async () => {
  using folder = new HandlerFolder({
    "tsconfig.json": JSON.stringify({ files: [], references: [{ path: "./app" }] }),
    "app/tsconfig.json": tsconfig({}).replace("./**/*", "../src"),
    "src/newer.ts": `${imports}export const newer: LabHandlers = do { {} };\n`,
    "src/typed.ts": `${imports}export const typed: LabHandlers = {${body({ point: "point() { undeclared(); }" })}};\n`,
  });
  const quick = await folder.check();
  expect(lines(quick.diagnostics)).toEqual([
    expect.stringMatching(
      /^handlers_unreadable src\/newer\.ts:2:\d+ could not analyse handlers of lab\.v1\.LabService: it is no TypeScript/,
    ),
  ]);
  expect(quick).toMatchObject({ ok: true, diagnostics: [{ severity: "warning" }] });
  const whole = await folder.check({ types: true });
  expect(whole.ok).toBe(false);
  expect(lines(whole.diagnostics)).toEqual([
    expect.stringMatching(/^handlers_unreadable /),
    "type_error src/typed.ts:7:13 TS2304: Cannot find name 'undeclared'",
  ]);
});
