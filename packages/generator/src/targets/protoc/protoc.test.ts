// Plugins of protoc, run as protoc runs them: a real one, and some that do it wrong.
import { chmodSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../../test-kit/schema-folder.ts";
import { protoc } from "./target.ts";

const real = join(
  dirname(createRequire(import.meta.url).resolve("@bufbuild/protoc-gen-es/package.json")),
  "bin/protoc-gen-es",
);
const schema = demo(`service S {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["secret-scope"] } } };
  rpc A(M) returns (M);
} message M { string text = 1; }`);

/** A plugin that is a script of Node. */
function plugin(folder: SchemaFolder, script: string): string {
  const path = join(folder.path, "protoc-gen-odd");
  writeFileSync(path, `#!${process.execPath}\n${script}`);
  chmodSync(path, 0o755);
  return path;
}

test("protoc-gen-es as a plugin gives what the target es gives", async () => {
  using folder = new SchemaFolder(schema);
  const parameter = "target=ts,import_extension=js,erasable_syntax=true,elide_plugin_version=true";
  await folder.generate({ targets: ["es"] });
  await folder.generate({ targets: [protoc({ plugin: real, parameter })], out: "other" });
  expect(folder.list("other")).toEqual(folder.list("gen"));
  // What it was told stands in the file's own first lines.
  const code = (text: string): string => text.replaceAll(/^\/\/.*\n/gm, "");
  expect(code(folder.read("other/demo/v1/demo_pb.ts"))).toBe(code(folder.read("gen/demo/v1/demo_pb.ts")));
  expect(folder.read("other/demo/v1/demo_pb.ts")).not.toContain("secret-scope");
});

test("what goes wrong with a plugin is said with its name, and nothing is written", async () => {
  using folder = new SchemaFolder(schema);
  const failing = async (script: string): Promise<string> => {
    const error: unknown = await folder
      .generate({ targets: [protoc({ plugin: plugin(folder, script) })] })
      .catch((thrown: unknown) => thrown);
    return (error as Error).message.replaceAll(`${folder.path}/`, "");
  };
  expect(await failing('console.error("no idea"); process.exit(3);')).toBe(
    "protoc-gen-odd failed: it ended with code 3. no idea",
  );
  expect(await failing('process.kill(process.pid, "SIGKILL");')).toBe("protoc-gen-odd failed: it ended with SIGKILL.");
  // Field 1 of the response: an error of the schema's.
  expect(
    await failing('process.stdin.resume(); process.stdin.on("end", () => process.stdout.write("\\n\\x05wrong"));'),
  ).toBe("protoc-gen-odd failed: wrong");
  expect(await failing('process.stdout.write("garbage");')).toMatch(/^protoc-gen-odd failed: /);
  await expect(folder.generate({ targets: [protoc({ plugin: "protoc-gen-that-is-nowhere" })] })).rejects.toMatchObject({
    kind: "usage",
    message: "There is no executable protoc-gen-that-is-nowhere. Install it, or give its path.",
  });
  expect(() => protoc({ plugin: "" })).toThrow("plugin");
  expect(folder.list()).toEqual([]);
});

test("a plugin does not write outside of the output folder either", async () => {
  using folder = new SchemaFolder(schema);
  // Field 15 of the response: a file with name and content.
  const script =
    'process.stdin.resume(); process.stdin.on("end", () => process.stdout.write("\\x7a\\x0b\\x0a\\x06../a.c\\x7a\\x01x"));';
  const { ok, diagnostics } = await folder.generate({ targets: [protoc({ plugin: plugin(folder, script) })] });
  expect([ok, diagnostics.map(({ rule }) => rule)]).toEqual([false, ["output_outside"]]);
});
