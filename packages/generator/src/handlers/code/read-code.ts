// Reads the user's code with ts-morph, and says what there is as plain data. The only way in to this folder, and loaded only
// when it is needed, since it brings a compiler along.
import { Project, type SourceFile, ts } from "ts-morph";
import { reasonText } from "../../failure.ts";
import type {
  CodeFacts,
  CodeReader,
  CodeRequest,
  FileFacts,
  HandlerSite,
  TypeFinding,
  Unreadable,
  WantedService,
} from "./code-facts.ts";
import { openProjects } from "./code-projects.ts";
import { fileFacts } from "./file-facts.ts";
import { SiteFinder } from "./find-sites.ts";
import { flat } from "./wrong-handlers.ts";

export const tsMorphReader: CodeReader = { readCode, readFile, parses };

function readCode(request: CodeRequest): CodeFacts {
  const facts = lookThrough(request);
  const there = new Set([
    ...facts.sites.map(({ service }) => service),
    ...facts.unreadable.flatMap((one) => one.services),
  ]);
  const rest = request.services.filter((service) => !there.has(service));
  if (rest.length === 0) return facts;
  const more = lookThrough({ ...request, services: rest, anyImport: true });
  return {
    ...facts,
    sites: [...facts.sites, ...more.sites],
    unreadable: [...facts.unreadable, ...more.unreadable],
    files: new Map([...more.files, ...facts.files]),
    typeErrors: [...facts.typeErrors, ...more.typeErrors],
  };
}

function lookThrough(request: CodeRequest): CodeFacts {
  const { services } = request;
  const files = new Map<string, FileFacts>();
  const unreadable: Unreadable[] = [];
  const typeErrors: TypeFinding[] = [];
  const sites: HandlerSite[] = [];
  const met = new Set<string>();
  const { unusedParameters, projects } = openProjects(request);
  for (const { project, files: candidates } of projects) {
    const finder = new SiteFinder(project, services);
    for (const file of candidates) {
      const broken = syntaxError(file, project, services);
      if (broken === undefined) attempt(file, () => finder.look(file));
      else unreadable.push(broken);
    }
    for (const path of new Set(finder.sites.map(({ place }) => place.file))) {
      const file = project.getSourceFile(path)!;
      files.set(path, fileFacts(file));
      if (request.types) typeErrors.push(...typeErrorsOf(file, project));
    }
    for (const site of finder.sites) {
      const { file, start } = site.place;
      const key = `${file}:${site.slot?.open ?? start}:${site.service.typeName}`;
      if (!met.has(key)) sites.push(site); // a file may be in one project, and be imported in another
      met.add(key);
    }
    unreadable.push(...finder.unreadable);
  }
  return { sites: sites.map((site) => sharedSite(site, sites)), unreadable, files, unusedParameters, typeErrors };

  /** Whatever the parser stumbles over, others' files are still looked at. */
  function attempt(file: SourceFile, act: () => void): void {
    try {
      act();
    } catch (error) {
      unreadable.push(unreadableFile(file, `the parser failed: ${reasonText(error)}`, services));
    }
  }
}

/** One object may be the handlers of several services: what one does not know, another may. */
function sharedSite(site: HandlerSite, all: readonly HandlerSite[]): HandlerSite {
  const beside = all.filter(({ place, slot }) => place.file === site.place.file && slot?.open === site.slot?.open);
  const isKnown = (name: string): boolean => beside.some(({ service }) => service.channels.get(name)?.handled === true);
  return { ...site, unknown: site.unknown.filter(({ name }) => !isKnown(name)) };
}

function readFile(path: string, text: string): FileFacts {
  const project = new Project({ useInMemoryFileSystem: true, skipLoadingLibFiles: true });
  return fileFacts(project.createSourceFile(path, text, { overwrite: true }));
}

function parses(path: string, text: string): boolean {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest) as {
    readonly parseDiagnostics?: readonly unknown[];
  };
  return file.parseDiagnostics?.length === 0;
}

function syntaxError(file: SourceFile, project: Project, services: readonly WantedService[]): Unreadable | undefined {
  const [first] = project.getProgram().compilerObject.getSyntacticDiagnostics(file.compilerNode);
  if (first === undefined) return undefined;
  const why = `it is no TypeScript that this version of ts-morph (TypeScript ${ts.version}) reads: ${flat(first.messageText)}`;
  const { start, length } = first;
  return unreadableFile(file, why, services, { start, end: start + length });
}

function unreadableFile(
  file: SourceFile,
  why: string,
  services: readonly WantedService[],
  { start, end } = { start: 0, end: 0 },
): Unreadable {
  const text = file.getFullText();
  const named = services.filter(({ handlers, definition }) => text.includes(handlers) || text.includes(definition));
  return { place: { file: file.getFilePath(), start, end }, why, services: named };
}

function* typeErrorsOf(file: SourceFile, project: Project): Generator<TypeFinding> {
  for (const { start = 0, length = 1, code, category, messageText } of project
    .getProgram()
    .compilerObject.getSemanticDiagnostics(file.compilerNode)) {
    if (category !== ts.DiagnosticCategory.Error) continue;
    yield {
      place: { file: file.getFilePath(), start, end: start + length },
      message: `TS${code}: ${flat(messageText)}`,
    };
  }
}
