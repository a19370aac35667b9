// The handlers of this repository's examples and tests, as its users write theirs.
import { join } from "node:path";
import { checkHandlers } from "@raceway/generator";
import { expect, test } from "vitest";
import { lines } from "./handler-folder.ts";

const jobs = ["examples/ticker", "test"].map((folder) => ({
  inputs: [`${folder}/schemas`],
  protoPath: [`${folder}/schemas`],
  out: `${folder}/gen`,
  importExtension: "ts" as const,
}));

test("handlers of the examples, the chaos and the club satisfy their schemas", { timeout: 300_000 }, async () => {
  const services = ["BoardService", "OpsService", "ChaosService", "ClubService"];
  const cwd = join(import.meta.dirname, "../..");
  const checked = await checkHandlers({ generate: jobs, cwd, services, project: "tsconfig.test.json" });
  expect(lines(checked.diagnostics)).toEqual([]);
  expect(checked).toMatchObject({ ok: true, services: services.length });
});
