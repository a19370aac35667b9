// The schemas that new ones are held against: those of a commit, of a compiled set in a file, or of a running server.
import { existsSync, readFileSync, realpathSync, statSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join, relative, resolve, sep } from "node:path";
import { type FileRegistry, createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { type FileDescriptorProto, type FileDescriptorSet, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import type { SchemaCompiler } from "../compile/schema-compiler.ts";
import { findSources } from "../compile/schema-sources.ts";
import { GenerateFailure, reasonText } from "../failure.ts";
import { type Commit, openCommit } from "./commit.ts";
import { importMark } from "./import-mark.ts";

/** Compiled schemas, and which of the files count: the others are only imported by them. */
export interface SchemaSet {
  readonly set: FileDescriptorSet;
  readonly registry: FileRegistry;
  readonly files: ReadonlySet<string>;
}

/** What a running server serves, as it says itself. */
export interface ServedSchemas {
  /** How people are told of it: its address. */
  readonly name: string;
  /** Imports come before whom they are imported by. */
  readonly set: FileDescriptorSet;
  /** Full names. */
  readonly services: readonly string[];
  /** Names of files that do not count: those of schemas that are looked at by themselves. */
  readonly except?: ReadonlySet<string>;
}

export interface BaselineRequest {
  /** A file, or a revision of git; or what a server gave. */
  readonly against: string | ServedSchemas;
  /** Absolute. */
  readonly cwd: string;
  readonly inputs: readonly string[];
  readonly protoPath: readonly string[];
  /** The new files, by their import paths. */
  readonly files: ReadonlySet<string>;
  readonly compiler: SchemaCompiler;
  readonly signal?: AbortSignal | undefined;
}

/** Undefined if the commit has none of the inputs, or the server none of the files. Throws a `GenerateFailure` if there is no such thing, or no schema in it. */
export async function readBaseline(request: BaselineRequest): Promise<SchemaSet | undefined> {
  const { against } = request;
  if (typeof against === "object") return servedSet(against, request.files);
  const path = resolve(request.cwd, against);
  const baseline =
    existsSync(path) && statSync(path).isFile() ? setIn(path, against) : await setOf({ ...request, against });
  // A baseline without schemas would find everything fine.
  if (baseline?.files.size === 0) throw new GenerateFailure("usage", `${against} has no schema to compare with.`);
  return baseline;
}

/** A server gives all that its services need. What counts is what they are declared in, what is of their packages, and what the new schemas have themselves. */
function servedSet({ name, set, services, except }: ServedSchemas, now: ReadonlySet<string>): SchemaSet | undefined {
  let registry: FileRegistry;
  try {
    registry = createFileRegistry(set);
  } catch (error) {
    throw new GenerateFailure("usage", `${name} gave no schemas that fit together: ${reasonText(error)}.`, {
      cause: error,
    });
  }
  const homes = services.flatMap((service) => registry.getService(service)?.file ?? []);
  const own = homes.filter(({ proto }) => !FOREIGN.test(proto.name));
  const packages = new Set(own.map(({ proto }) => proto.package));
  const counts = (file: FileDescriptorProto): boolean =>
    !FOREIGN.test(file.name) && except?.has(file.name) !== true && (packages.has(file.package) || now.has(file.name));
  const files = new Set(set.file.filter(counts).map((file) => file.name));
  return files.size === 0 ? undefined : { set, registry, files };
}

/** Files that every set may have, and that are nobody's own. */
const FOREIGN = /^(?:google\/protobuf|raceway\/v1|buf\/validate|grpc\/(?:health|reflection))\//;

function setIn(path: string, shown: string): SchemaSet {
  try {
    const set = fromBinary(FileDescriptorSetSchema, readFileSync(path));
    const imports = new Set(set.file.filter((file) => importMark(file) ?? FOREIGN.test(file.name)));
    const files = new Set(set.file.filter((file) => !imports.has(file)).map(({ name }) => name));
    return { set, registry: createFileRegistry(set), files };
  } catch (error) {
    throw new GenerateFailure(
      "usage",
      `${shown} is no compiled schema (${reasonText(error)}). Write one with buf build -o schema.binpb.`,
      { cause: error },
    );
  }
}

async function setOf({
  against,
  cwd,
  inputs,
  protoPath,
  compiler,
  signal,
}: BaselineRequest & { readonly against: string }): Promise<SchemaSet | undefined> {
  const commit = await openCommit(cwd, against);
  const stage = await mkdtemp(join(tmpdir(), "raceway-baseline-"));
  try {
    const tree = join(stage, "tree");
    await commit.checkOut(tree, join(stage, "index"));
    const then = (path: string): string => thenPath(path, { cwd, commit, tree, against });
    const old = inputs.map(then).filter((path) => existsSync(path));
    if (old.length === 0) return undefined;
    // Folders that git does not keep, such as those of packages, are taken as they are now.
    const roots = protoPath.map((path) => {
      const inside = isInside(commit, cwd, path) ? then(path) : resolve(cwd, path);
      return existsSync(inside) ? inside : resolve(cwd, path);
    });
    const sources = findSources(tree, old, roots);
    const compiled = await compiler.compile(sources, sources.files, signal);
    if (!compiled.ok) {
      const { file, line, message } = compiled.findings[0]!;
      throw new GenerateFailure("usage", `The schemas of ${against} do not compile: ${file}:${line}: ${message}.`);
    }
    return { set: compiled.set, registry: createFileRegistry(compiled.set), files: new Set(sources.files) };
  } finally {
    await rm(stage, { recursive: true, force: true });
  }
}

interface Then {
  readonly cwd: string;
  readonly commit: Commit;
  readonly tree: string;
  readonly against: string;
}

/** Where an input of now was in the commit. */
function thenPath(path: string, { cwd, commit, tree, against }: Then): string {
  if (!isInside(commit, cwd, path))
    throw new GenerateFailure("usage", `${path} is outside of the repository, so ${against} does not have it.`);
  return join(tree, relative(commit.root, real(resolve(cwd, path))));
}

function isInside({ root }: Commit, cwd: string, path: string): boolean {
  const way = relative(root, real(resolve(cwd, path)));
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** git says paths without links. */
function real(path: string): string {
  return existsSync(path) ? realpathSync(path) : path;
}
