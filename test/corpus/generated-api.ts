// Code of one public API, made with the targets of a user: where it is, and the services that it is of.
import { findPackageJSON } from "node:module";
import { dirname, join } from "node:path";
import { type Model, type Target, formatDiagnostics, generate } from "@raceway/generator";
import type { PublicApi } from "./apis.ts";
import { fetchPackage } from "./fetched-package.ts";

export interface GeneratedApi {
  /** Where its code is. */
  readonly folder: string;
  /** Schema files of the API's own, without what they import. */
  readonly files: number;
  readonly services: number;
  /** Methods of one request and one reply. */
  readonly unary: number;
  /** All others. */
  readonly streams: number;
  /** From schema files to written code, in milliseconds. */
  readonly generateMs: number;
  /** Modules that have services, without their endings: "google/pubsub/v1/pubsub", and the names of those services. */
  readonly modules: ReadonlyMap<string, readonly string[]>;
}

/** Writes the code to `folder`. Throws what the generator has to say, warnings as well. */
export async function generateApi(api: PublicApi, folder: string): Promise<GeneratedApi> {
  const home = api.fetched === undefined ? folderOf(api.package) : fetchPackage(api.package, api.fetched);
  let model: Model | undefined;
  const taker: Target = {
    name: "taker",
    contract: 1,
    generate(given) {
      model = given;
      return [];
    },
  };
  const start = performance.now();
  const { diagnostics } = await generate({
    inputs: api.inputs.map((path) => join(home, path)),
    protoPath: [...api.roots.map((path) => join(home, path)), ...(api.imports ?? []).map(folderOf)],
    out: folder,
    importExtension: "ts", // Node runs it as it is
    targets: ["es", "ts", taker],
  });
  const generateMs = performance.now() - start;
  if (diagnostics.length > 0) throw new Error(formatDiagnostics(diagnostics, "text"));
  const files = model!.files.filter(({ requested }) => requested);
  const services = files.flatMap((file) => file.services);
  const shapes = services.flatMap(({ channels }) => channels).map(({ shape }) => shape);
  return {
    folder,
    files: files.length,
    services: services.length,
    unary: shapes.filter((shape) => shape === "unary").length,
    streams: shapes.filter((shape) => shape !== "unary").length,
    generateMs,
    modules: new Map(
      files
        .filter((file) => file.services.length > 0)
        .map((file) => [file.path.replace(/\.proto$/, ""), file.services.map((service) => service.typeName)]),
    ),
  };
}

/** Some packages do not export their package.json, so it is not resolved as a module. */
function folderOf(name: string): string {
  return dirname(findPackageJSON(name, import.meta.url)!);
}
