// Which services a project has by its schemas, and what their handlers have to be.
import { resolve } from "node:path";
import type { FileModel, ImportExtension, OutputFile, ServiceModel } from "@raceway/core/target";
import { type Diagnostic, sortDiagnostics } from "../diagnostic.ts";
import { GenerateFailure } from "../failure.ts";
import { type GenerateOptions, compileModel, sourcesOf } from "../generate.ts";
import { nearest } from "../near.ts";
import { outputPath } from "../output-path.ts";
import { withHeader } from "../output/header.ts";
import { hasErrors } from "../pipeline.ts";
import { SourceText } from "../source-text.ts";
import { esTarget } from "../targets/es/target.ts";
import { handlerShape, isPublished } from "../targets/ts/handler-shape.ts";
import { type ServiceNames, nameServices } from "../targets/ts/names.ts";
import { tsTarget } from "../targets/ts/target.ts";
import type { WantedService } from "./code/code-facts.ts";

export interface HandlerOptions extends Pick<GenerateOptions, "cwd" | "compiler" | "progress" | "signal"> {
  /** What the project generates; entries without the target `ts` have no handlers. */
  readonly generate: readonly Pick<
    GenerateOptions,
    "inputs" | "out" | "protoPath" | "importExtension" | "targets" | "keepOptions"
  >[];
  /** "chat.v1.RoomService", "RoomService" or "Room", in any case; none: all. */
  readonly services?: readonly string[];
  /** The tsconfig.json that has the handlers; the nearest of the working folder or above it unless said. */
  readonly project?: string;
}

/** A service with what it is called, and what a finding about it points at. */
export interface Wanted extends WantedService {
  readonly model: ServiceModel;
  readonly names: ServiceNames;
  /** Import path of its schema file: "chat/v1/room.proto". */
  readonly source: string;
  /** The output folder; absolute. */
  readonly out: string;
  readonly importExtension: ImportExtension;
  /** Its name in the schema. */
  readonly declared: Pick<Diagnostic, "file" | "range" | "frame">;
}

export interface WantedServices {
  /** Of the schemas; if one is an error, nothing else is known. */
  readonly diagnostics: readonly Diagnostic[];
  readonly services: readonly Wanted[];
  /** Texts of generated files, by absolute paths. */
  readonly generated: ReadonlyMap<string, string>;
}

/** Throws a `GenerateFailure` for services that are not there, and as `generate` does. */
export async function wantedServices(options: HandlerOptions): Promise<WantedServices> {
  const { cwd = ".", services: named = [], compiler, progress, signal } = options;
  const diagnostics: Diagnostic[] = [];
  const services: Wanted[] = [];
  const generated = new Map<string, string>();
  for (const job of options.generate) {
    if (job.targets?.some((one) => (typeof one === "object" ? one.name : one) === "ts") === false) continue;
    const { importExtension = "js" } = job;
    const given = {
      ...job,
      cwd,
      ...(compiler !== undefined && { compiler }),
      ...(progress !== undefined && { progress }),
      ...(signal !== undefined && { signal }),
    };
    const compiled = await compileModel(given);
    diagnostics.push(...compiled.diagnostics);
    if (compiled.input === undefined) continue;
    const { model, context } = compiled.input;
    const out = resolve(cwd, job.out);
    const made: OutputFile[] = [];
    for (const target of [esTarget(), tsTarget()]) made.push(...(await target.generate(model, context)));
    for (const { path, source, text } of made) generated.set(absolute(out, path), withHeader(path, source, text));
    const { sources } = sourcesOf(given);
    const declared = (file: FileModel, service: ServiceModel): Wanted["declared"] =>
      declarationOf(service, new SourceText(sources.text(file.path)), sources.shown(file.path));
    for (const file of model.files)
      for (const [service, names] of nameServices(file.services))
        services.push({
          ...wanted(file, service, names, out),
          importExtension,
          declared: declared(file, service),
        });
  }
  if (hasErrors(diagnostics)) return { diagnostics: sortDiagnostics(diagnostics), services: [], generated };
  return { diagnostics: sortDiagnostics(diagnostics), services: chosen(services, named), generated };
}

function wanted(
  file: FileModel,
  service: ServiceModel,
  names: ServiceNames,
  out: string,
): Omit<Wanted, "importExtension" | "declared"> {
  return {
    typeName: service.typeName,
    serverFile: absolute(out, outputPath(file.path, ".server")),
    serverModule: outputPath(file.path, ".server").replace(/\.ts$/, ""),
    handlers: names.handlers,
    definition: names.definition,
    channels: new Map(
      service.channels.map((channel) => {
        const { takes, gives } = handlerShape(channel);
        return [channel.localName, { kind: channel.contract.kind, handled: !isPublished(channel), takes, gives }];
      }),
    ),
    model: service,
    names,
    source: file.path,
    out,
  };
}

function declarationOf(service: ServiceModel, source: SourceText, file: string): Wanted["declared"] {
  const found = new RegExp(`\\bservice\\s+(${service.name})\\b`, "d").exec(source.text)?.indices?.[1];
  if (found === undefined) return { file };
  const range = source.range(source.atOffset(found[0]), source.atOffset(found[1]));
  return { file, range, frame: source.frame(range) };
}

function chosen(services: readonly Wanted[], names: readonly string[]): readonly Wanted[] {
  if (names.length === 0) return services;
  const found = new Set<Wanted>();
  for (const name of names) {
    const those = services.filter(({ model, names: called }) =>
      [model.typeName, model.name, called.handlers.replace(/Handlers\$*$/, "")].some(
        (one) => one.toLowerCase() === name.toLowerCase(),
      ),
    );
    if (those.length === 0) throw new GenerateFailure("usage", unknownService(name, services));
    for (const one of those) found.add(one);
  }
  return [...found];
}

function unknownService(name: string, services: readonly Wanted[]): string {
  const known = services.map(({ model }) => (name.includes(".") ? model.typeName : model.name));
  const near = nearest(name, known);
  if (near !== undefined) return `There is no service ${name}. Did you mean ${near}?`;
  return `There is no service ${name}. Known are ${known.length === 0 ? "none" : known.join(", ")}.`;
}

/** As the compiler writes paths. */
function absolute(folder: string, path: string): string {
  return resolve(folder, path).replaceAll("\\", "/");
}
