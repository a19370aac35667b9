// Plans for edits: what they take in, what they leave to the plan of the whole, and that both come to the same.
import { renameSync, rmSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import type { Target } from "@raceway/core/target";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SchemaFolder } from "../test-kit/schema-folder.ts";
import { type EditPlan, EditPlanner } from "./edit-planner.ts";
import { type GenerateOptions, planGeneration } from "./generate.ts";
import { writePlan } from "./output/write.ts";

const base = 'syntax = "proto3"; package shop.v1; message Item { string name = 1; }';
const service =
  'syntax = "proto3"; package shop.v1; import "shop/v1/item.proto"; service ItemService { rpc Get(Key) returns (Item); } message Key { string id = 1; }';
const lone = 'syntax = "proto3"; package lone.v1; service Lone { rpc Do(M) returns (M); } message M {}';
const files = {
  "proto/shop/v1/item.proto": base,
  "proto/shop/v1/service.proto": service,
  "proto/lone/v1/lone.proto": lone,
};
const options = { inputs: ["proto"], out: "gen" };

interface Project extends AsyncDisposable {
  readonly schema: SchemaFolder;
  readonly planner: EditPlanner;
  readonly edit: (edits: Readonly<Record<string, string>>) => Promise<EditPlan>;
}

/** A folder that was generated once, and its planner. */
async function project(more: Partial<GenerateOptions> = {}): Promise<Project> {
  const schema = new SchemaFolder(files);
  const all = { ...options, ...more, cwd: schema.path };
  await schema.generate(all);
  const planner = new EditPlanner(all);
  return {
    schema,
    planner,
    edit(edits) {
      schema.write(edits);
      return planner.plan(Object.keys(edits).map((path) => join(schema.path, path)));
    },
    async [Symbol.asyncDispose]() {
      await planner[Symbol.asyncDispose]();
      schema[Symbol.dispose]();
    },
  };
}

/** What a plan would do, short. */
function changes(plan: EditPlan): readonly string[] | string {
  if (typeof plan === "string") return plan;
  if (plan.plan === undefined) return plan.diagnostics.map(({ rule }) => rule);
  return plan.plan.changes.map(({ path, change }) => `${path} ${change}`);
}

test("an edit takes in the file and those that import it, and nothing else", async () => {
  await using made = await project();
  const { edit } = made;
  expect(changes(await edit({ "proto/shop/v1/item.proto": `${base} message More {}` }))).toEqual([
    "shop/v1/item_pb.ts changed",
    "shop/v1/service.client.ts unchanged",
    "shop/v1/service.contract.ts unchanged",
    "shop/v1/service.server.ts unchanged",
    "shop/v1/service_pb.ts unchanged",
  ]);
  expect(changes(await edit({ "proto/lone/v1/lone.proto": lone.replace("M {}", "M { string a = 1; }") }))).toEqual([
    "lone/v1/lone.client.ts unchanged",
    "lone/v1/lone.contract.ts unchanged",
    "lone/v1/lone.server.ts unchanged",
    "lone/v1/lone_pb.ts changed",
  ]);
});

test("a file that was written anew with the same text is unchanged", async () => {
  await using made = await project();
  const { edit } = made;
  expect(await edit(files)).toBe("unchanged");
});

test("an editor's locks and shadows beside a schema do not make an edit of it one of the whole", async () => {
  await using made = await project();
  const { planner, schema } = made;
  const [lock, shadow, edited] = [".#lone.proto", "._lone.proto", "lone.proto"].map((name) =>
    join(schema.path, "proto/lone/v1", name),
  );
  symlinkSync("user@host.1234", lock!);
  expect(await planner.plan([lock!])).toBe("unchanged");
  schema.write({ "proto/lone/v1/lone.proto": `${lone} message More {}`, "proto/lone/v1/._lone.proto": "\0" });
  expect(changes(await planner.plan([lock!, edited!, shadow!]))).toContain("lone/v1/lone_pb.ts changed");
});

test("what came or went is for the plan of the whole, and known from then on", async () => {
  await using made = await project();
  const { schema, planner, edit } = made;
  const added = { "proto/new/v1/new.proto": lone.replaceAll("lone", "new").replaceAll("Lone", "New") };
  expect(await edit(added)).toBe("whole");
  expect(await edit(added)).toBe("unchanged");
  rmSync(join(schema.path, "proto/new"), { recursive: true });
  expect(await planner.plan([join(schema.path, "proto/new/v1/new.proto")])).toBe("whole");
  expect(await planner.plan([join(schema.path, "elsewhere/x.proto")])).toBe("whole");
  // Another package may be another import path.
  expect(await edit({ "proto/lone/v1/lone.proto": lone.replace("package lone.v1", "\npackage proto.lone.v1") })).toBe(
    "whole",
  );
});

test("an error stops the plan; an importer's too", async () => {
  await using made = await project();
  const { edit } = made;
  expect(changes(await edit({ "proto/shop/v1/item.proto": base.replace("string", "strin") }))).toEqual([
    "name_unknown",
  ]);
  const plan = await edit({ "proto/shop/v1/item.proto": base.replace("Item", "Thing") });
  expect(typeof plan === "object" && plan.diagnostics[0]).toMatchObject({
    rule: "name_unknown",
    file: "proto/shop/v1/service.proto",
  });
});

test("files that many others import are generated alone", async () => {
  const many = Object.fromEntries(
    Array.from({ length: 20 }, (_, at) => [
      `proto/shop/v1/m${at}.proto`,
      `syntax = "proto3"; package shop.v1; import "shop/v1/item.proto"; message M${at} { Item item = 1; }`,
    ]),
  );
  await using made = await project();
  const { planner, edit } = made;
  expect(await edit(many)).toBe("whole");
  expect(planner).toBeDefined();
  expect(changes(await edit({ "proto/shop/v1/item.proto": `${base} message More {}` }))).toEqual([
    "shop/v1/item_pb.ts changed",
  ]);
});

test("what is no longer made goes, unless a target waits for the whole", async () => {
  const without = { "proto/lone/v1/lone.proto": 'syntax = "proto3"; package lone.v1; message M {}' };
  const gone = [
    "lone/v1/lone.client.ts deleted",
    "lone/v1/lone.contract.ts deleted",
    "lone/v1/lone.server.ts deleted",
    "lone/v1/lone_pb.ts changed",
  ];
  {
    await using made = await project();
    const { edit } = made;
    expect(changes(await edit(without))).toEqual(gone);
  }

  const index: Target = {
    name: "index",
    contract: 1,
    generate: (model) => [
      { path: "index.txt", source: model.files[0]!.path, text: model.files.map(({ path }) => path).join("\n") },
    ],
  };
  await using made = await project({ targets: ["es", "ts", index] });
  const { schema, edit } = made;
  expect(changes(await edit(without))).toEqual(["lone/v1/lone_pb.ts changed"]);
  expect(schema.read("gen/index.txt")).toContain("shop/v1/service.proto");
});

test("after any edits, the plans of edits have written what a run from nothing writes", async () => {
  const file = fc.constantFrom("a", "b", "c", "d");
  // Each edit leads to a schema that may import those before it, and may be broken for a while.
  const text = (name: string, imports: readonly string[], fields: number, flaw: boolean): string =>
    `syntax = "proto3"; package p.v1; ${imports.map((one) => `import "p/v1/${one}.proto";`).join(" ")}
service Service_${name} { rpc Get(Message_${name}) returns (Message_${name}); }
message Message_${name} { ${imports.map((one, at) => `Message_${one} from_${one} = ${at + 100};`).join(" ")} ${Array.from({ length: fields }, (_, at) => `string f${at} = ${at + 1};`).join(" ")} ${flaw ? "Nothing x = 99;" : ""} }`;
  const edit = fc.record({
    name: file,
    what: fc.constantFrom("write", "write", "write", "delete", "move"),
    imports: fc.uniqueArray(file, { maxLength: 2 }),
    fields: fc.nat(3),
    flaw: fc.boolean(),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 6 }), async (edits) => {
      using schema = new SchemaFolder({ "proto/p/v1/a.proto": text("a", [], 1, false) });
      const run = { inputs: ["proto"], protoPath: ["proto"], out: "gen", cwd: schema.path };
      await schema.generate();
      await using planner = new EditPlanner(run);
      const path = (name: string): string => join(schema.path, `proto/p/v1/${name}.proto`);
      for (const { name, what, imports, fields, flaw } of edits) {
        const earlier = imports.filter((one) => one < name);
        if (what === "write" || name === "a")
          schema.write({ [`proto/p/v1/${name}.proto`]: text(name, earlier, fields, flaw) });
        else if (what === "delete") rmSync(path(name), { force: true });
        else if (schema.list("proto").includes(`p/v1/${name}.proto`)) renameSync(path(name), path(`${name}2`));
        const plan = await planner.plan([path(name), ...(what === "move" ? [path(`${name}2`)] : [])]);
        if (typeof plan === "object" && plan.plan !== undefined) await writePlan(plan.folder, plan.plan);
        // The whole follows now and then, as it does behind a watch that has time.
        if (plan === "whole" || fields === 0) {
          const whole = await planGeneration(run);
          if (whole.plan !== undefined) await writePlan(whole.folder, whole.plan);
        }
      }
      using fresh = new SchemaFolder(
        Object.fromEntries(schema.list("proto").map((one) => [`proto/${one}`, schema.read(`proto/${one}`)])),
      );
      const cold = await fresh.generate();
      if (!cold.ok) {
        const whole = await planGeneration(run);
        expect(whole.diagnostics).toEqual(cold.diagnostics);
        return;
      }
      const whole = await planGeneration(run);
      await writePlan(whole.folder, whole.plan!);
      const all = (folder: SchemaFolder): object =>
        Object.fromEntries(folder.list().map((one) => [one, folder.read(`gen/${one}`)]));
      expect(all(schema)).toEqual(all(fresh));
    }),
    { numRuns: 12 },
  );
});
