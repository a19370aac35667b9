// `raceway scaffold` in files as people write them.
import { symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import { HandlerFolder, lines, tsconfig } from "./handler-folder.ts";

// Each run starts a compiler for schemas and one for TypeScript, which take their time on a busy machine.
vi.setConfig({ testTimeout: 300_000 });

test("adds to an object that is served, as its file is written", async () => {
  using folder = new HandlerFolder({
    "src/served.ts": `import { raceway } from '@raceway/server'
import { labService } from './gen/lab.server.ts' // generated

const app = raceway({ transports: [] })
app.serve(labService, {
    // says it
    say: ({ text }) => ({ text }) // and no more
    // the rest is to come
})
`,
  });
  const { ok, changes, diagnostics } = await folder.scaffold();
  expect([ok, diagnostics]).toEqual([true, []]);
  expect(folder.read("src/served.ts")).toMatchInlineSnapshot(`
    "import { raceway } from '@raceway/server'
    import { labService } from './gen/lab.server.ts' // generated
    import { Code, ConnectError } from '@connectrpc/connect'

    const app = raceway({ transports: [] })
    app.serve(labService, {
        // says it
        say: ({ text }) => ({ text }), // and no more
        // the rest is to come
        async sum(_requests, _context) {
            throw new ConnectError('lab.v1.LabService/Sum is not implemented yet', Code.Unimplemented)
        },
        async *watch(_request, _context) {
            throw new ConnectError('lab.v1.LabService/Watch is not implemented yet', Code.Unimplemented)
        },
        async *talk(_requests, _context) {
            throw new ConnectError('lab.v1.LabService/Talk is not implemented yet', Code.Unimplemented)
        },
        async point(_messages, _context) {
            throw new ConnectError('lab.v1.LabService/Point is not implemented yet', Code.Unimplemented)
        }
    })
    "
  `);
  expect(changes).toMatchObject([
    {
      file: "src/served.ts",
      change: "changed",
      handlers: [{ service: "lab.v1.LabService", names: ["sum", "watch", "talk", "point"] }],
      serve: [],
    },
  ]);
});

test("writes the types of a class's methods, and adds to the imports that are there", async () => {
  using folder = new HandlerFolder({
    "tsconfig.json": tsconfig({ noUnusedParameters: false }),
    "src/lab.ts": `import { Code as Status } from "@connectrpc/connect";
import type {
	LabHandlers,
} from "./gen/lab.server.ts";
import { type M, MSchema } from "./gen/lab_pb.ts";

export class Lab implements LabHandlers {
	readonly descriptor: typeof MSchema = MSchema;
	readonly status: Status = Status.Ok;

	async say(request: M): Promise<M> {
		return request;
	}
}
`,
  });
  await folder.scaffold();
  expect(folder.read("src/lab.ts")).toMatchInlineSnapshot(`
    "import { Code as Status, ConnectError } from "@connectrpc/connect";
    import type {
    	LabHandlers,
    } from "./gen/lab.server.ts";
    import { type M, MSchema } from "./gen/lab_pb.ts";
    import type { MessageInitShape } from "@bufbuild/protobuf";
    import type { CallContext } from "@raceway/server";

    export class Lab implements LabHandlers {
    	readonly descriptor: typeof MSchema = MSchema;
    	readonly status: Status = Status.Ok;

    	async say(request: M): Promise<M> {
    		return request;
    	}

    	async sum(requests: AsyncIterable<M>, context: CallContext): Promise<MessageInitShape<typeof MSchema>> {
    		throw new ConnectError("lab.v1.LabService/Sum is not implemented yet", Status.Unimplemented);
    	}

    	async *watch(request: M, context: CallContext): AsyncIterable<MessageInitShape<typeof MSchema>> {
    		throw new ConnectError("lab.v1.LabService/Watch is not implemented yet", Status.Unimplemented);
    	}

    	async *talk(
    		requests: AsyncIterable<M>,
    		context: CallContext,
    	): AsyncIterable<MessageInitShape<typeof MSchema>> {
    		throw new ConnectError("lab.v1.LabService/Talk is not implemented yet", Status.Unimplemented);
    	}

    	async point(messages: AsyncIterable<M>, context: CallContext): Promise<void> {
    		throw new ConnectError("lab.v1.LabService/Point is not implemented yet", Status.Unimplemented);
    	}
    }
    "
  `);
});

test("makes a file where nothing is, and leaves it alone from then on", async () => {
  using folder = new HandlerFolder({ "tsconfig.json": tsconfig({ noUnusedParameters: false }) });
  const dry = await folder.scaffold({ dryRun: true });
  expect(folder.has("src/lab-handlers.ts")).toBe(false);
  const done = await folder.scaffold();
  expect(done).toEqual(dry);
  expect(done.changes).toMatchObject([
    { file: "src/lab-handlers.ts", change: "added", serve: ["app.serve(labService, labHandlers)"] },
  ]);
  expect(folder.read("src/lab-handlers.ts")).toMatchInlineSnapshot(`
    "import { Code, ConnectError } from "@connectrpc/connect";
    import type { LabHandlers } from "./gen/lab.server.ts";

    /** A laboratory. *\\/ It has all kinds. */
    export const labHandlers: LabHandlers = {
      /** Says it back. */
      async say(request, context) {
        throw new ConnectError("lab.v1.LabService/Say is not implemented yet", Code.Unimplemented);
      },
      async sum(requests, context) {
        throw new ConnectError("lab.v1.LabService/Sum is not implemented yet", Code.Unimplemented);
      },
      async *watch(request, context) {
        throw new ConnectError("lab.v1.LabService/Watch is not implemented yet", Code.Unimplemented);
      },
      async *talk(requests, context) {
        throw new ConnectError("lab.v1.LabService/Talk is not implemented yet", Code.Unimplemented);
      },
      async point(messages, context) {
        throw new ConnectError("lab.v1.LabService/Point is not implemented yet", Code.Unimplemented);
      },
    };
    "
  `);
  const text = folder.read("src/lab-handlers.ts");
  expect(done.changes[0]!.diff).toBe(
    `--- /dev/null\n+++ b/src/lab-handlers.ts\n@@ -0,0 +1,${text.split("\n").length - 1} @@\n${text.replaceAll(/^(?=.|\n)/gm, "+")}`,
  );
  await folder.generate();
  expect(folder.typeErrors({ noUnusedParameters: false })).toEqual([]);
  const before = folder.contents();
  expect(await folder.scaffold()).toEqual({ diagnostics: [], changes: [], ok: true });
  expect(folder.contents()).toEqual(before);
});

test("with `into`, adds to that file what no other has, also if no tsconfig.json names it", async () => {
  using folder = new HandlerFolder({
    "tsconfig.json": JSON.stringify({ files: ["src/empty.ts"] }),
    "src/empty.ts": "export {};\n",
    "tools/own.ts": "#!/usr/bin/env node\n// A tool.\n\n/** One. */\nexport const one = 1;",
  });
  await folder.scaffold({ into: "tools/own.ts" });
  const text = folder.read("tools/own.ts");
  expect(text).toContain(
    `#!/usr/bin/env node
// A tool.

import { Code, ConnectError } from "@connectrpc/connect";
import type { LabHandlers } from "../src/gen/lab.server.ts";

/** One. */
export const one = 1;

/** A laboratory. *\\/ It has all kinds. */
export const labHandlers: LabHandlers = {
  /** Says it back. */
  async say(request, context) {
`,
  );
  expect((await folder.scaffold({ into: "tools/own.ts" })).changes).toEqual([]);

  // In JavaScript, types are comments.
  const script = await folder.scaffold({ into: "tools/script.mjs" });
  expect(script.changes).toMatchObject([{ file: "tools/script.mjs", change: "added" }]);
  expect(folder.read("tools/script.mjs")).toContain(
    `\n/** @type {import("../src/gen/lab.server.ts").LabHandlers} */\nexport const labHandlers = {\n`,
  );
  expect(await folder.scaffold({ into: "tools/script.mjs" })).toEqual({ diagnostics: [], changes: [], ok: true });
});

test("gives handlers that were all on one line a line of their own", async () => {
  using folder = new HandlerFolder({
    "tsconfig.json": tsconfig({}),
    "src/serve.ts": `import type { Raceway } from "@raceway/server";
import { labService } from "./gen/lab.server.ts";
export function serve(app: Raceway): void {
  app.serve(labService, { say: ({ text }) => ({ text }), type: () => ({}) });
}
`,
  });
  await folder.scaffold();
  const [, object] = /app\.serve\(labService, (\{[^]*?\n {2}\})\)/.exec(folder.read("src/serve.ts"))!;
  expect(object!.split("\n").slice(0, 3)).toEqual([
    "{",
    "    say: ({ text }) => ({ text }), type: () => ({}),",
    expect.stringMatching(/^ {4}\S/),
  ]);
  expect(object).toMatch(/\n {4}\},?\n {2}\}$/);
});

test("leaves alone what it cannot read or must not write, and says so", async () => {
  const bytes = Buffer.from(
    `import type { LabHandlers } from "./gen/lab.server.ts";\nexport const a: LabHandlers = {}; // é\n`,
    "latin1",
  );
  using outside = new HandlerFolder({
    "far.ts": `import type { LabHandlers } from "${"../".repeat(1)}FOLDER/src/gen/lab.server.ts";\nexport const far: LabHandlers = {};\n`,
  });
  using folder = new HandlerFolder({
    "tsconfig.json": tsconfig({ allowJs: true }),
    "src/latin.ts": bytes,
    "src/broken.ts": `import { labService } from "./gen/lab.server.ts";\nexport function serve(app) { app.serve(labService, { say( }); }\n`,
    "src/newer.ts": `import type { LabHandlers } from "./gen/lab.server.ts";\nexport const newer: LabHandlers = match (1) { when 1: {} };\n`,
    "src/common.cjs": `const { labService } = require("./gen/lab.server.ts");\nexports.serve = (app) => app.serve(labService, {});\n`,
    "src/script.mjs": `import { labService } from "./gen/lab.server.ts";\nexport const serve = (app) => app.serve(labService, {});\n`,
    "src/any.ts": `import { raceway } from "@raceway/server";\nimport { labService } from "./gen/lab.server.ts";\ndeclare const handlers: any;\nraceway({ transports: [] }).serve(labService, handlers);\n`,
  });
  outside.write({ "far.ts": outside.read("far.ts").replace("../FOLDER", folder.path) });
  symlinkSync(join(outside.path, "far.ts"), join(folder.path, "src/far.ts"));
  const before = folder.contents();
  const far = outside.contents();
  const { diagnostics, changes, ok } = await folder.scaffold();
  expect(changes.map(({ file }) => file)).toEqual(["src/script.mjs"]);
  expect(folder.read("src/script.mjs")).toContain("async *watch(_request, _context) {");
  expect({ ...folder.contents(), [join(folder.path, "src/script.mjs")]: "" }).toEqual({
    ...before,
    [join(folder.path, "src/script.mjs")]: "",
  });
  expect(outside.contents()).toEqual(far);
  expect(ok).toBe(false); // handlers are still missing in files that cannot be written
  expect(lines(diagnostics.filter(({ rule }) => rule === "handlers_unreadable"))).toMatchInlineSnapshot(`
    [
      "handlers_unreadable src/any.ts:4:47 could not analyse handlers of lab.v1.LabService: its type is any, so nobody can tell which handlers it has",
      "handlers_unreadable src/broken.ts:2:59 could not analyse handlers of lab.v1.LabService: it is no TypeScript that this version of ts-morph (TypeScript 6.0.2) reads: Parameter declaration expected",
      "handlers_unreadable src/common.cjs:2:36 could not add to this file: it is no ECMAScript module",
      "handlers_unreadable src/far.ts:2:14 could not add to this file: it is outside of the working folder",
      "handlers_unreadable src/latin.ts:2:14 could not add to this file: it is not written in UTF-8",
      "handlers_unreadable src/newer.ts:2:45 could not analyse handlers of lab.v1.LabService: it is no TypeScript that this version of ts-morph (TypeScript 6.0.2) reads: ',' expected",
    ]
  `);
});

test("names that mean something in TypeScript, and comments that would end, stay what they are", async () => {
  const types = ["Promise", "AsyncIterable", "CallContext", "ConnectError", "Code2"];
  using folder = new HandlerFolder({
    "proto/lab.proto": `syntax = "proto3"; package h.v1;
// */ \${evil} \`x\`
// @ts-nocheck
service Code {
  // */ } ; alert(1); /*
  rpc New(Promise) returns (Promise); rpc Delete(AsyncIterable) returns (stream AsyncIterable);
  rpc Then(stream CallContext) returns (ConnectError); rpc Constructor(Code2) returns (Code2);
  rpc ToString(Code2) returns (Code2); rpc HasOwnProperty(Code2) returns (Code2); rpc Class(stream Code2) returns (stream Code2);
}
service ConnectErrorService { rpc Say(Code2) returns (ConnectError); }
${types.map((name) => `message ${name} {}`).join(" ")}`,
    "src/named.ts": `import type { CodeHandlers } from "./gen/lab.server.ts";\nexport class Named implements CodeHandlers {}\nexport const named: CodeHandlers = {};\n`,
  });
  await folder.generate();
  expect((await folder.scaffold()).changes).toMatchObject([
    { file: "src/connect-error-handlers.ts" },
    { file: "src/named.ts" },
  ]);
  expect(folder.typeErrors()).toEqual([]);
  expect((await folder.check({ types: true })).diagnostics).toEqual([]);
  expect((await folder.scaffold()).changes).toEqual([]);
});

test("refuses what cannot be meant, before it writes", async () => {
  using folder = new HandlerFolder({});
  await expect(folder.scaffold({ services: ["LapService"] })).rejects.toThrow(
    "There is no service LapService. Did you mean LabService?",
  );
  await expect(folder.scaffold({ services: ["other.v1.Nothing"] })).rejects.toThrow("Known are lab.v1.LabService.");
  await expect(folder.scaffold({ into: "../elsewhere.ts" })).rejects.toThrow("outside of the working folder");
  await folder.generate();
  await expect(folder.scaffold({ into: "src/gen/lab.server.ts" })).rejects.toThrow("is generated");
  for (const into of ["handlers.json", "common.cjs", "types.d.ts"])
    await expect(folder.scaffold({ into })).rejects.toThrow("Name a file of TypeScript, or a module of JavaScript.");
  await expect(folder.scaffold({ project: "nowhere.json" })).rejects.toThrow(/There is no .*nowhere\.json/);
  folder.write({ "proto/lab.proto": "syntax = 3;" });
  expect(await folder.scaffold()).toMatchObject({ ok: false, changes: [], diagnostics: [{ rule: "schema_invalid" }] });
  expect(folder.has("src/lab-handlers.ts")).toBe(false);
});
