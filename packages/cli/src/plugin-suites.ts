// Which compliance suites a subject has to pass: what it has says what it is.
import {
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
  if (has<PluginSubject>(subject, { raceway: "function", connect: "function", name: "string" }))
    return { suites: pluginSuites(subject) };
  if (has<LinkSubject>(subject, { connect: "function", traits: "object", name: "string" }))
    return { suites: linkSuites(subject), end: async () => subject[Symbol.asyncDispose]?.() };
  if (has<StoreSubject>(subject, { fresh: "function", traits: "object" }))
    return { suites: [{ title: "store", cases: storeCases(subject) }] };
  if (has<TargetSubject>(subject, { create: "function", compile: "function" }))
    return { suites: [{ title: "target", cases: targetCases(subject) }] };
  return undefined;
}

/** Whether it has these properties, of these types. */
function has<T extends object>(value: unknown, properties: Readonly<Record<string, string>>): value is T {
  if (typeof value !== "object" || value === null) return false;
  const given = value as Readonly<Record<string, unknown>>;
  return Object.entries(properties).every(([name, type]) => typeof given[name] === type);
}
