// The compliance cases of a middleware plugin: all that it owes to calls, to those whom it refuses and to its host, as a list that any runner can run.
import { type Case, RuleBroken, settle } from "./case.ts";
import { lifeCases } from "./plugin/life.ts";
import { refuses } from "./plugin/refusing.ts";
import { Stage, type Way } from "./plugin/stage.ts";
import type { PluginSubject } from "./plugin/subject.ts";
import { traffic } from "./plugin/traffic.ts";
import type { Suite } from "./suites.ts";

/** All cases, in groups: each way in, then the plugin as a part of its host. To be run one after the other. */
export function pluginSuites(subject: PluginSubject): readonly Suite[] {
  const ways: readonly Way[] = ["memory", "native", ...(subject.ways ?? [])];
  return [
    ...ways.map((way) => ({ title: `plugin ${subject.name} by ${titleOf(way)}`, cases: wayCases(subject, way) })),
    { title: `plugin ${subject.name} as a part of its host`, cases: lifeCases(subject).map(watched) },
  ];
}

/** All cases as one list, each named with its way. */
export function pluginCases(subject: PluginSubject): readonly Case[] {
  return pluginSuites(subject).flatMap(({ title, cases }) =>
    cases.map((one) => ({ ...one, name: `${title.slice(`plugin ${subject.name} `.length)}: ${one.name}` })),
  );
}

function wayCases(subject: PluginSubject, way: Way): readonly Case[] {
  const native = way === "native" || (typeof way === "object" && way.door !== undefined);
  const needs = { what: "a server's half: native doors have no other", met: !native || subject.server !== undefined };
  const name = typeof way === "string" ? way : way.name;
  const staged = async (
    options: ConstructorParameters<typeof Stage>[1],
    cast: PluginSubject,
    run: (stage: Stage) => Promise<void>,
  ) => {
    await using stage = new Stage(subject, { ...options, way }, cast);
    await stage.start();
    await run(stage);
  };
  return [
    ...traffic.map(({ name: sentence, options, run }): Case => ({
      name: sentence,
      needs,
      run: () => staged(options, subject, run),
    })),
    ...(subject.refusals ?? []).map((refusal): Case => {
      const why = refusal.notBy?.[name];
      return {
        name: `refuses ${refusal.what}, with an error that says why, and goes on with all else`,
        needs: { what: why ?? needs.what, met: why === undefined && (needs.met || refusal.server !== undefined) },
        run: () => staged({}, { ...subject, ...refusal, name: subject.name }, (stage) => refuses(stage, refusal)),
      };
    }),
  ].map(watched);
}

function titleOf(way: Way): string {
  if (way === "memory") return "sessions over memory links";
  if (way === "native") return "a native door";
  return way.door === undefined ? `sessions over ${way.name}` : way.name;
}

interface NodeLike {
  on(event: "unhandledRejection", heard: (reason: unknown) => void): void;
  off(event: "unhandledRejection", heard: (reason: unknown) => void): void;
}

/** The case, which also breaks if a rejection is left that nobody handles; where the platform is Node. */
function watched(one: Case): Case {
  const { process } = globalThis as { readonly process?: NodeLike };
  if (typeof process?.on !== "function") return one;
  return {
    ...one,
    async run() {
      const lost: unknown[] = [];
      const heard = (reason: unknown): void => void lost.push(reason);
      process.on("unhandledRejection", heard);
      try {
        await one.run();
        await settle();
      } finally {
        process.off("unhandledRejection", heard);
      }
      if (lost.length > 0) throw new RuleBroken(`a rejection that nobody handles: ${String(lost[0])}`);
    },
  };
}
