// Handlers written in any way: what is there stays byte for byte, what comes out compiles strictly, and a second run adds nothing.
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { HandlerFolder } from "./handler-folder.ts";

// One run of each compiler, over all files at once.
vi.setConfig({ testTimeout: 600_000 });

const FILES = 150;

/** Each as a method and as a property. */
const members = {
  say: ["say(request: M): M { return request }", "say: (request: M): M => request"],
  sum: [
    "async sum(requests: AsyncIterable<M>): Promise<{ text: string }> {NL  for await (const one of requests) return oneNL  return { text: §}§ }NL}",
    // oxlint-disable-next-line no-template-curly-in-string -- it is one in the file that is written
    "§sum§: async (): Promise<{ text: string }> => ({ text: `{ ${1}NL` })",
  ],
  watch: ["async *watch(request: M): AsyncGenerator<M> { yield request }", "watch: async function* () {}"],
  talk: [
    "talk(requests: AsyncIterable<M>): AsyncIterable<M> { return requests }",
    "[§talk§]: (requests: AsyncIterable<M>) => requests",
  ],
  point: ["point(): void {}", "point: () => undefined"],
} as const;

const forms = ["const", "satisfies", "served", "function", "arrow", "class", "untyped", "spread"] as const;
const comments = ["// }", "/* { */", "/** Says. */", '// "', "/*NL * `${NL */", "/* é 😀 */", ""] as const;

const file = fc.record({
  form: fc.constantFrom(...forms),
  names: fc.subarray(["say", "sum", "watch", "talk", "point"] as const, { maxLength: 4 }),
  asProperty: fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }),
  before: fc.array(fc.constantFrom(...comments), { minLength: 5, maxLength: 5 }),
  behind: fc.constantFrom(...comments),
  blankLines: fc.boolean(),
  oneLine: fc.boolean(),
  braceAlone: fc.boolean(),
  end: fc.constantFrom("", " ", "  ", "\t"),
  trailingComma: fc.boolean(),
  semicolons: fc.boolean(),
  unit: fc.constantFrom("  ", "    ", "\t"),
  eol: fc.constantFrom("\n", "\r\n"),
  quote: fc.constantFrom('"', "'"),
  mark: fc.boolean(),
  header: fc.constantFrom("", "// A file.", "/** Documents. */", "§use strict§", "/*NLA licence.NL*/NL"),
  connect: fc.constantFrom(
    "",
    "import { Code } from §@connectrpc/connect§",
    "import { Code as C, ConnectError as CE, } from §@connectrpc/connect§",
    "import type { ConnectError } from §@connectrpc/connect§",
    "import * as connect from §@connectrpc/connect§",
    "import {NL  Code, // of errorsNL} from §@connectrpc/connect§",
    "import {} from §@connectrpc/connect§; import §@connectrpc/connect§",
    "const Code = 1, ConnectError = 2",
  ),
  behindImports: fc.constantFrom("", " // imports", " /* a NL b */", "; export const more = 1"),
});
type File = typeof file extends fc.Arbitrary<infer T> ? T : never;

function written(one: File, index: number): string {
  const { form, eol, unit, quote } = one;
  const isClass = form === "class";
  const end = one.semicolons ? ";" : "";
  const separator = isClass ? "" : ",";
  const own = one.names.map((name, at) => {
    const [method, property] = members[name];
    const text = one.asProperty[at] === true && !isClass ? property : method;
    const last = at === one.names.length - 1;
    return text + (last && !one.trailingComma ? "" : separator);
  });
  const flat = one.oneLine && !own.some((text) => text.includes("NL"));
  const lines = own.flatMap((text, at) => {
    const comment = one.before[at]!;
    return [...(one.blankLines && at > 0 ? [""] : []), ...(comment === "" ? [] : [comment]), text];
  });
  const behind = one.behind === "" ? [] : [one.behind];
  const broken = [...lines, ...behind].map((line) =>
    line === "" ? "NL" : `NL${unit}${line.replaceAll("NL", `NL${unit}`)}`,
  );
  const alone = one.braceAlone || one.behind.startsWith("//");
  const body = flat ? ` ${own.join(" ")}${one.end}` : `${broken.join("")}${alone ? "NL" : one.end}`;
  const object = `{${body}}`;
  const code = {
    const: `export const h: LabHandlers = ${object}${end}`,
    satisfies: `export const h = ${object} satisfies LabHandlers${end}`,
    served: `raceway({ transports: [] }).serve(labService, ${object})${end}`,
    function: `export function h(): LabHandlers {NL${unit}return ${object.replaceAll("NL", `NL${unit}`)}${end}NL}`,
    arrow: `export const h = (): LabHandlers => (${object})${end}`,
    class: `export class H implements LabHandlers ${object}`,
    untyped: `const h = ${object}${end}NLraceway({ transports: [] }).serve(labService, h)${end}`,
    spread: `const base = ${object}${end}NLexport const h: LabHandlers = { ...base,${one.end}}${end}`,
  }[form];
  const imports = [
    `import { raceway } from §@raceway/server§${end}`,
    ...(one.connect.startsWith("import") ? [`${one.connect}${end}`] : []),
    `import type { M } from §./gen/lab_pb.ts§${end}`,
    `import { type LabHandlers, labService } from §./gen/lab.server.ts§${one.behindImports}${one.behindImports.includes("export") ? end : ""}`,
  ];
  const text = [
    ...(one.header === "" ? [] : [one.header]),
    ...imports,
    ...(one.connect.startsWith("const") ? [`${one.connect}${end}`] : []),
    `export const used${index} = [raceway, labService] as const satisfies unknown[]${end}`,
    `export type Used = M | LabHandlers${end}`,
    code,
  ].join("NL");
  return (one.mark ? "\ufeff" : "") + text.replaceAll("§", quote).replaceAll("NL", eol) + eol;
}

/** Whether all of one text is in another, in order. */
function isWithin(part: string, whole: string): boolean {
  let at = 0;
  for (const sign of whole) if (part.startsWith(sign, at)) at += sign.length;
  return at === part.length;
}

test("in any file, only what is missing is added, and it compiles", async () => {
  const seed = Number(process.env["RACEWAY_SEED"] ?? 6);
  const cases = fc.sample(file, { numRuns: FILES, seed });
  const texts = Object.fromEntries(cases.map((one, index) => [`src/f${index}.ts`, written(one, index)]));
  using folder = new HandlerFolder(texts);
  await folder.generate();
  const { diagnostics, changes, ok } = await folder.scaffold();
  expect(diagnostics.map(({ file: name, message }) => `${name}: ${message}`)).toEqual([]);
  expect(ok).toBe(true);
  expect(changes).toHaveLength(FILES); // none is complete
  for (const [name, text] of Object.entries(texts)) {
    const now = folder.read(name);
    expect(isWithin(text, now), name).toBe(true);
    expect(now.includes("\ufeff"), name).toBe(text.includes("\ufeff"));
    expect(/(?<!\r)\n/.test(now), name).toBe(/(?<!\r)\n/.test(text));
  }
  const flags = { isolatedDeclarations: false, declaration: false, noUnusedLocals: false };
  expect(folder.typeErrors(flags)).toEqual([]);
  const before = folder.contents();
  expect(await folder.scaffold()).toEqual({ diagnostics: [], changes: [], ok: true });
  expect(folder.contents()).toEqual(before);
  expect((await folder.check({ types: true })).diagnostics).toEqual([]);
});
