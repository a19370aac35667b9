// Which compliance suites a subject has to pass: what it has says what it is.
import {
  codecCases,
  type CodecSubject,
  type LinkSubject,
  linkSuites,
  type PluginSubject,
  pluginSuites,
  storeCases,
  type StoreSubject,
  type Suite,
  targetCases,
  type TargetSubject,
} from "@raceway/testkit";

export interface SubjectSuites {
  readonly suites: readonly Suite[];
  /** To be called when all have run. */
  end?(): Promise<void>;
}

/** Undefined: it is no subject of the kit. */
export function suitesOf(subject: unknown): SubjectSuites | undefined {
  if (has(subject, { raceway: "function", connect: "function", name: "string" }))
    return { suites: pluginSuites(subject as PluginSubject) };
  if (has(subject, { connect: "function", traits: "object", name: "string" })) {
    const link = subject as LinkSubject;
    return { suites: linkSuites(link), end: async () => link[Symbol.asyncDispose]?.() };
  }
  if (has(subject, { fresh: "function", traits: "object" }))
    return { suites: [{ title: "store", cases: storeCases(subject as StoreSubject) }] };
  if (has(subject, { create: "function", compile: "function" }))
    return { suites: [{ title: "target", cases: targetCases(subject as TargetSubject) }] };
  if (has(subject, { codec: "function", unknownFields: "string" }))
    return { suites: [{ title: "codec", cases: codecCases(subject as CodecSubject) }] };
  return undefined;
}

/** Whether it has these properties, of these types. */
function has(value: unknown, properties: Readonly<Record<string, string>>): boolean {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Readonly<Record<string, unknown>>;
  return Object.entries(properties).every(([name, type]) => typeof given[name] === type);
}
