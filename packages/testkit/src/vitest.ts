// The runner for Vitest, in Node and in a browser: one test per case.
import { afterAll, describe, test } from "vitest";
import type { Case } from "./case.ts";
import { codecCases } from "./codec-cases.ts";
import type { CodecSubject } from "./codec/subject.ts";
import { pluginSuites } from "./plugin-cases.ts";
import type { PluginSubject } from "./plugin/subject.ts";
import type { LinkSubject } from "./subject.ts";
import { linkSuites } from "./suites.ts";

/** A case may wait several times for as long as the subject is patient. */
const CASE_MS = 60_000;

/** Registers all cases that apply to the subject: of the link alone, in every format that its links carry, and of sessions over it, with both codecs. */
export function describeLink(subject: LinkSubject): void {
  for (const { title, cases } of linkSuites(subject)) describeCases(title, cases);
  afterAll(() => subject[Symbol.asyncDispose]?.());
}

/** Registers all cases that apply to a middleware plugin: by each way in, and as a part of its host. */
export function describePlugin(subject: PluginSubject): void {
  for (const { title, cases } of pluginSuites(subject)) describeCases(title, cases);
}

/** Registers all cases that apply to a codec. */
export function describeCodec(name: string, subject: CodecSubject): void {
  describeCases(`codec ${name}`, codecCases(subject));
}

/** A group of which nothing applies, such as the native door of a client's plugin, is absent: Vitest takes an empty one for a mistake. */
function describeCases(title: string, cases: readonly Case[]): void {
  if (cases.some(({ needs }) => needs?.met !== false)) describe(title, () => registerCases(cases));
}

/** Registers any list of cases as tests. What does not apply is not a test: it is told by its absence, not by a skip. */
export function registerCases(cases: readonly Case[]): void {
  for (const one of cases) if (one.needs?.met !== false) test(one.name, { timeout: CASE_MS }, () => one.run());
}
