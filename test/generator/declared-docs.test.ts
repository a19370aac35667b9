// The code of docs/errors.md about declared errors: generated, compiled and run as it stands there.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { connect } from "@raceway/client";
import { memoryTransport } from "@raceway/core";
import { generate } from "@raceway/generator";
import { type Raceway, raceway } from "@raceway/server";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/errors.md"), "utf8");

/** The code block whose first line names a file. */
function block(file: string): string {
  const found = page.split("```").find((part) => part.split("\n")[1] === `// ${file}`);
  if (found === undefined) throw new Error(`docs/errors.md has no code that begins with "// ${file}"`);
  return found.slice(found.indexOf("\n") + 1);
}

test("what docs/errors.md shows of declared errors works as it stands there", async () => {
  using folder = new CodeFolder();
  const schema = join(folder.path, "schemas/club/v1/club.proto");
  mkdirSync(dirname(schema), { recursive: true });
  writeFileSync(schema, block("club/v1/club.proto"));
  const { diagnostics } = await generate({
    inputs: [join(folder.path, "schemas")],
    out: join(folder.path, "gen"),
    importExtension: "ts",
  });
  expect(diagnostics).toEqual([]);
  for (const file of ["server.ts", "client.ts"]) folder.write(file, block(file));
  expect(folder.typeErrors()).toEqual([]);
  const load = (file: string): Promise<unknown> => import(pathToFileURL(join(folder.path, file)).href);
  const { serve } = (await load("server.ts")) as { serve(app: Raceway): void };
  const { join: come } = (await load("client.ts")) as { join(connection: unknown, name: string): Promise<string> };
  const memory = memoryTransport();
  await using app = raceway({ transports: [memory.server] });
  serve(app);
  await app.listen({ port: 0, host: "127.0.0.1" });
  await using connection = connect("http://club", { transports: [memory.client] });
  const answers: string[] = [];
  for (const name of ["ada", "mallory", "grace", "eve"]) answers.push(await come(connection, name));
  expect(answers).toEqual(["welcome", "Not after last time.", "welcome", "no more than 2"]);
}, 120_000);
