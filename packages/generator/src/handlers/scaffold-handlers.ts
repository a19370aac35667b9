// Begins the handlers that are missing, in the user's own files: adds, and never changes or takes away.
import { readFileSync, realpathSync, statSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import type { ChannelModel } from "@raceway/core/target";
import { type Diagnostic, compareText, sortDiagnostics } from "../diagnostic.ts";
import { GenerateFailure, reasonText } from "../failure.ts";
import { isOurs } from "../output/header.ts";
import { replaceFiles } from "../output/replace-files.ts";
import { hasErrors } from "../pipeline.ts";
import { docComment } from "../targets/ts/doc-comment.ts";
import { lowerCamel } from "../targets/ts/names.ts";
import { type Line, addMembers, written } from "./add-members.ts";
import type { CodeFacts, CodeReader, FileFacts, HandlerSite, Slot, Style } from "./code/code-facts.ts";
import { HandlerFindings, shownPath } from "./handler-findings.ts";
import { ImportEdits } from "./import-edits.ts";
import { type Insertion, insert } from "./insertion.ts";
import { lacking } from "./lacking.ts";
import { specifierIn } from "./specifier.ts";
import { stub } from "./stub.ts";
import { unifiedDiff } from "./unified-diff.ts";
import { type HandlerOptions, type Wanted, wantedServices } from "./wanted-services.ts";

export interface ScaffoldOptions extends HandlerOptions {
  /** Where handlers of services go that have none yet; a file of its own for each, beside the output folder, unless said. */
  readonly into?: string;
  /** Writes nothing. */
  readonly dryRun?: boolean;
}

export interface ScaffoldChange {
  /** Relative to the working folder, divided by "/". */
  readonly file: string;
  readonly change: "added" | "changed";
  /** Handlers that are added, by service: "chat.v1.RoomService", ["say"]. */
  readonly handlers: readonly { readonly service: string; readonly names: readonly string[] }[];
  /** How a new object of handlers is served: "app.serve(roomService, roomHandlers)". */
  readonly serve: readonly string[];
  /** As `diff -u` has it. */
  readonly diff: string;
}

export interface ScaffoldResult {
  /** What is left to people: sorted; of the schemas alone if they have errors. */
  readonly diagnostics: readonly Diagnostic[];
  /** What was written, or with `dryRun` would be. */
  readonly changes: readonly ScaffoldChange[];
  /** No errors. */
  readonly ok: boolean;
}

/** Throws a `GenerateFailure` for a wrong request or a tool that did not work; then nothing is written. */
export async function scaffoldHandlers(options: ScaffoldOptions): Promise<ScaffoldResult> {
  const cwd = resolve(options.cwd ?? ".");
  const into = options.into === undefined ? undefined : intoPath(cwd, options.into);
  const { diagnostics, services, generated } = await wantedServices(options);
  if (hasErrors(diagnostics)) return { diagnostics, changes: [], ok: false };
  options.progress?.("reading handlers");
  const { tsMorphReader } = await import("./code/read-code.ts");
  const project = options.project === undefined ? undefined : resolve(cwd, options.project);
  const homeOf = (service: Wanted): string => into ?? homePath(service);
  const also = [...new Set(services.map(homeOf))];
  const facts = tsMorphReader.readCode({ cwd, project, services, generated, also, types: false });
  const files = new ScaffoldFiles(cwd, facts, tsMorphReader, generated);
  for (const site of facts.sites)
    files.extend(
      site,
      services.find((one) => one === site.service)!,
    );
  for (const service of lacking(services, facts)) files.begin(service, homeOf(service));
  const findings = new HandlerFindings(cwd);
  const plans = files.plans(findings);
  findings.sites(facts, (site, name) => site.missing.includes(name) && plans.some(({ sites }) => sites.has(site)));
  findings.unreadable(facts);
  if (options.dryRun !== true) write(cwd, plans);
  const all = sortDiagnostics([...diagnostics, ...findings.all()]);
  return { diagnostics: all, changes: plans.map((plan) => changeOf(cwd, plan)), ok: !hasErrors(all) };
}

interface Plan {
  readonly file: FileFacts;
  readonly fresh: boolean;
  readonly imports: ImportEdits;
  readonly insertions: Insertion[];
  /** What is added to objects and classes that are there, by where they begin. */
  readonly slots: Map<number, { readonly slot: Slot; readonly members: Map<string, readonly Line[]> }>;
  readonly sites: Set<HandlerSite>;
  readonly handlers: { readonly service: string; readonly names: readonly string[] }[];
  readonly serve: string[];
}

/** The files that change, each with what is added to it. */
class ScaffoldFiles {
  readonly #cwd: string;
  readonly #facts: CodeFacts;
  readonly #reader: CodeReader;
  readonly #generated: ReadonlyMap<string, string>;
  readonly #plans = new Map<string, Plan>();

  constructor(cwd: string, facts: CodeFacts, reader: CodeReader, generated: ReadonlyMap<string, string>) {
    this.#cwd = cwd;
    this.#facts = facts;
    this.#reader = reader;
    this.#generated = generated;
  }

  /** Adds to what is there. */
  extend(site: HandlerSite, service: Wanted): void {
    const file = this.#facts.files.get(site.place.file);
    if (site.slot === undefined || site.missing.length === 0 || file === undefined) return;
    const plan = this.#planOf(site.place.file, file);
    const known = plan.slots.get(site.slot.open) ?? { slot: site.slot, members: new Map() };
    plan.slots.set(site.slot.open, known);
    const names = site.missing.filter((name) => !known.members.has(name)); // several services may want the same
    const members = this.#stubs(plan, service, names, site.slot.typed);
    for (const [at, name] of names.entries()) known.members.set(name, members[at]!);
    plan.sites.add(site);
    if (names.length > 0) plan.handlers.push({ service: service.typeName, names });
  }

  /** Makes an object of handlers where there is none. */
  begin(service: Wanted, path: string): void {
    if (this.#facts.unreadable.some(({ place }) => place.file === path)) return; // it says so
    const names = [...service.channels].filter(([, { handled }]) => handled).map(([name]) => name);
    if (names.length === 0) return; // topics and states need no code
    const plan = this.#planOf(path, this.#facts.files.get(path) ?? this.#factsOf(path));
    const { file, imports } = plan;
    const { eol, semicolons, trailingCommas, quote } = file.style;
    const specifier = specifierIn(file, this.#generated, service);
    const name = imports.claim(lowerCamel(service.handlers));
    const module = specifier(service.source, ".server");
    const lines: Line[] = docComment(service.model.comment, service.model.deprecated).map((line): Line => [0, line]);
    if (file.script) {
      lines.push(
        [0, `/** @type {import(${quote}${module}${quote}).${service.handlers}} */`],
        [0, `export const ${name} = {`],
      );
    } else lines.push([0, `export const ${name}: ${imports.type(module, service.handlers)} = {`]);
    const members = this.#stubs(plan, service, names, true);
    for (const [at, member] of members.entries()) {
      const comma = at < members.length - 1 || trailingCommas ? "," : "";
      for (const [index, [steps, line]] of member.entries())
        lines.push([steps + 1, index === member.length - 1 ? line + comma : line]);
    }
    lines.push([0, semicolons ? "};" : "}"]);
    const apart = file.text === "" || file.text.endsWith("\n") ? eol : eol + eol;
    plan.insertions.push({ at: file.text.length, text: apart + written(lines, "", file.style) + eol });
    plan.handlers.push({ service: service.typeName, names });
    plan.serve.push(`app.serve(${service.definition}, ${name})`);
  }

  /** Those that can be carried out; of the others a finding says why not. */
  plans(findings: HandlerFindings): readonly Plan[] {
    const done: Plan[] = [];
    for (const plan of [...this.#plans.values()].toSorted((a, b) => compareText(a.file.path, b.file.path))) {
      const { file, imports, slots } = plan;
      const members = [...slots.values()].flatMap((one) => [
        ...addMembers(file.text, one.slot, file.style, [...one.members.values()]),
      ]);
      const complete = { ...plan, insertions: [...imports.insertions(), ...members, ...plan.insertions] };
      const why = this.#problem(complete);
      if (why === undefined) done.push(complete);
      else {
        for (const site of plan.sites)
          findings.add(
            "handlers_unreadable",
            site.place,
            `could not add to this file: ${why}`,
            "add the handlers by hand.",
            "warning",
          );
        if (plan.sites.size === 0)
          throw new GenerateFailure("usage", `Could not add to ${shownPath(this.#cwd, plan.file.path)}: ${why}.`);
      }
    }
    return done;
  }

  #problem({ file, fresh, insertions }: Plan): string | undefined {
    if (!isInside(this.#cwd, file.path)) return "it is outside of the working folder";
    if (!fresh) {
      const bytes = readFileSync(file.path);
      if (!Buffer.from(bytes.toString("utf8")).equals(bytes)) return "it is not written in UTF-8";
      if (withoutMark(bytes.toString("utf8")) !== file.text) return "it has changed meanwhile";
    }
    if (file.script && !file.module && file.text.trim() !== "") return "it is no ECMAScript module";
    return this.#reader.parses(file.path, insert(file.text, insertions))
      ? undefined
      : "what would come out is no valid TypeScript";
  }

  #stubs(plan: Plan, service: Wanted, names: readonly string[], typed: boolean): readonly (readonly Line[])[] {
    const specifier = specifierIn(plan.file, this.#generated, service);
    const { source } = service;
    const errors = (channel: ChannelModel): string => service.names.errors(channel);
    const home = { file: plan.file, imports: plan.imports, typed, specifier, errors, source };
    const channels = new Map(service.model.channels.map((one) => [one.localName, one]));
    return names.map((name) => stub(channels.get(name)!, home));
  }

  #planOf(path: string, file: FileFacts): Plan {
    let known = this.#plans.get(path);
    if (known === undefined) {
      const fresh = statSync(path, { throwIfNoEntry: false }) === undefined;
      const imports = new ImportEdits(file);
      this.#plans.set(
        path,
        (known = { file, fresh, imports, insertions: [], slots: new Map(), sites: new Set(), handlers: [], serve: [] }),
      );
    }
    return known;
  }

  /** A new file is written as those beside it that have handlers. */
  #factsOf(path: string): FileFacts {
    const there = statSync(path, { throwIfNoEntry: false });
    const text = there === undefined ? "" : withoutMark(readFileSync(path, "utf8"));
    const facts = this.#reader.readFile(path, text);
    const like: Style | undefined = text === "" ? [...this.#facts.files.values()][0]?.style : undefined;
    return { ...facts, style: { ...(like ?? facts.style), unusedParameters: this.#facts.unusedParameters } };
  }
}

function write(cwd: string, plans: readonly Plan[]): void {
  try {
    replaceFiles(
      plans.map(({ file, fresh, insertions }) => {
        const mark = !fresh && readFileSync(file.path, "utf8").startsWith("\ufeff") ? "\ufeff" : "";
        const text = mark + insert(file.text, insertions);
        // Through a link to the file itself, so that the link stays.
        return fresh
          ? { path: file.path, text }
          : { path: realpathSync(file.path), text, mode: statSync(file.path).mode };
      }),
    );
  } catch (error) {
    throw new GenerateFailure("tool", `Could not write to ${cwd}: ${reasonText(error)}.`, { cause: error });
  }
}

function changeOf(cwd: string, { file, fresh, insertions, handlers, serve }: Plan): ScaffoldChange {
  const shown = shownPath(cwd, file.path);
  const diff = unifiedDiff(shown, file.text, insertions, fresh);
  return { file: shown, change: fresh ? "added" : "changed", handlers, serve, diff };
}

/** "src/room-handlers.ts" beside "src/gen". */
function homePath({ out, handlers }: Wanted): string {
  const kebab = handlers
    .replaceAll(/([a-z\d])([A-Z])|([A-Z])(?=[A-Z][a-z])/g, "$1$3-$2")
    .replaceAll("$", "")
    .toLowerCase();
  return join(dirname(out), `${kebab}.ts`).replaceAll("\\", "/");
}

function intoPath(cwd: string, into: string): string {
  const path = resolve(cwd, into);
  if (!/\.m?[jt]s$/.test(path) || /\.d\.[cm]?ts$/.test(path))
    throw new GenerateFailure(
      "usage",
      `Handlers cannot be written into ${into}. Name a file of TypeScript, or a module of JavaScript.`,
    );
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile())
    throw new GenerateFailure("usage", `${into} is no file. Name one, or what is not there yet.`);
  if (there !== undefined && isOurs(path, readFileSync(path, "utf8"), false))
    throw new GenerateFailure("usage", `${into} is generated, and would be written over.`);
  if (!isInside(cwd, path)) throw new GenerateFailure("usage", `${into} is outside of the working folder.`);
  return path.replaceAll("\\", "/");
}

/** Whatever links lead elsewhere. */
function isInside(cwd: string, path: string): boolean {
  let at = path;
  while (statSync(at, { throwIfNoEntry: false }) === undefined && at !== dirname(at)) at = dirname(at);
  const way = relative(realpathSync(cwd), realpathSync(at));
  return way !== ".." && !way.startsWith(`..${sep}`) && !isAbsolute(way) && !way.split(sep).includes("node_modules");
}

function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, "");
}
