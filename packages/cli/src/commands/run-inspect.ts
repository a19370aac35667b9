// `raceway inspect`: what it does.
import {
  type ChannelInfo,
  type ChannelInspection,
  type Inspection,
  type PluginList,
  type ServiceDefinition,
  type WindowInspection,
  inspectPlugins,
} from "@raceway/core";
import { testHost } from "@raceway/testkit";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { loadModule } from "../load-module.ts";
import { moduleUrl } from "../module-url.ts";
import { isServerAddress } from "../remote/dial.ts";
import type { InspectArguments } from "./inspect.ts";

/** A server, as `raceway()` makes it. */
interface App {
  inspect(): Promise<Inspection>;
}
/** Options of `connect()`. */
interface ClientOptions {
  readonly transports: readonly object[];
  readonly use?: PluginList;
}

export async function runInspect(args: InspectArguments, context: CommandContext): Promise<number> {
  if (isServerAddress(args.module)) return (await import("./inspect-server.ts")).inspectServer(args, context);
  let fine = true;
  for (const [name, inspect] of await subjectsOf(args, context)) {
    try {
      const inspection = await inspect();
      fine &&= inspection.problems.length === 0 && !inspection.channels.some(hasErrors);
      context.out(args.json ? `${JSON.stringify({ export: name, ...inspection })}\n` : textOf(name, inspection));
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      fine = false; // whatever it is, the start would fail of it
      context.out(stoppedText(name, error, args.json));
    }
  }
  return fine ? Exit.fine : Exit.findings;
}

/** What there is to inspect, by the name of its export. */
async function subjectsOf(
  args: InspectArguments,
  { cwd }: CommandContext,
): Promise<readonly (readonly [string, () => Promise<Inspection>])[]> {
  const url = moduleUrl(args.module, cwd, "Name the file that makes the server or the connection.");
  const loaded = await loadModule(url, args.module, cwd);
  const definitions = Object.values(loaded).filter(isDefinition);
  const exported = Object.entries(loaded).filter(([name]) => args.export === undefined || name === args.export);
  const subjects = exported.flatMap(([name, value]) => {
    if (isApp(value)) return [[name, () => value.inspect()] as const];
    if (isClientOptions(value)) return [[name, () => inspectClient(value, definitions)] as const];
    return [];
  });
  if (subjects.length > 0) return subjects;
  const made = await madeBy(
    args.module,
    exported.filter(([name]) => name === args.export || MAKERS.has(name)),
  );
  if (made.length > 0) return made.map(([name, app]) => [name, () => app.inspect()] as const);
  const have = Object.keys(loaded).join(", ") || "nothing";
  throw new UsageError(
    `${args.module} exports no server of raceway() and no options of connect()${args.export === undefined ? "" : ` as ${args.export}`}; it exports ${have}. Export what it makes: export const app = raceway(…); or a function that makes it, called server.`,
  );
}

/** Functions by these names are called to see whether they make a server; of others who knows what they do. */
const MAKERS: ReadonlySet<string> = new Set(["default", "app", "server"]);

/** Servers that functions without parameters make. */
async function madeBy(
  module: string,
  exported: readonly (readonly [string, unknown])[],
): Promise<(readonly [string, App])[]> {
  const made: (readonly [string, App])[] = [];
  for (const [name, value] of exported) {
    if (typeof value !== "function" || value.length > 0) continue;
    try {
      const app: unknown = await (value as () => unknown)();
      if (isApp(app)) made.push([name, app]);
    } catch (error) {
      throw new Error(`${name}() of ${module} failed: ${(error as Error).message}`, { cause: error });
    }
  }
  return made;
}

/** Channels of a client: those of the services whose definitions the module exports. */
async function inspectClient(
  { use = [] }: ClientOptions,
  definitions: readonly ServiceDefinition[],
): Promise<Inspection> {
  const channels = definitions.flatMap(({ contract: { service, channels: contracts } }) =>
    service.methods.map((desc): ChannelInfo => ({
      path: `/${service.typeName}/${desc.name}`,
      service,
      desc,
      contract: contracts[desc.localName] ?? { kind: "call" },
      policy: undefined,
      gated: false,
    })),
  );
  return inspectPlugins(use, channels, testHost("client"));
}

const isObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null;

function isApp(value: unknown): value is App {
  return isObject(value) && typeof value["inspect"] === "function" && typeof value["serve"] === "function";
}
function isClientOptions(value: unknown): value is ClientOptions {
  if (!isObject(value) || !Array.isArray(value["transports"])) return false;
  return value["transports"].every((transport) => isObject(transport) && "supports" in transport);
}
function isDefinition(value: unknown): value is ServiceDefinition {
  return isObject(value) && isObject(value["contract"]) && isObject(value["contract"]["service"]);
}

function windowText({ plugin, windowMs, maxMessages, maxBytes, unheard }: WindowInspection): string {
  const most = [`${maxMessages.toLocaleString("en")} messages`, `${maxBytes.toLocaleString("en")} bytes`].join(" or ");
  const others = unheard.length === 0 ? "" : `; it comes before ${unheard.join(", ")}`;
  return `${plugin}: ${windowMs} ms, or until ${most} wait${others}`;
}

const hasErrors = ({ findings }: ChannelInspection): boolean => findings.some(({ severity }) => severity === "error");

function stoppedText(name: string, error: Error, json: boolean): string {
  return json
    ? `${JSON.stringify({ export: name, problems: [error.message] })}\n`
    : `${name}\n  error: ${error.message}\n`;
}

function textOf(name: string, { side, order, introduce, session, channels, problems }: Inspection): string {
  const lines = [`${name}, ${side}`, "  order"];
  if (order.length === 0) lines.push("    no plugins");
  for (const [at, { plugin, why }] of order.entries()) lines.push(`    ${at + 1} ${plugin}: ${why.join("; ")}`);
  const chain = (station: string, names: readonly string[]): void => {
    if (names.length > 0) lines.push(`    ${station.padEnd(9)} ${names.join(" → ")}`);
  };
  if (session.length + introduce.length > 0) {
    lines.push(side === "server" ? "  who comes in" : "  who we are");
    chain("session", session);
    chain("introduce", introduce);
  }
  for (const { path, kind, stations, absent, coders, window, findings } of channels) {
    lines.push(`  ${path} (${kind})`);
    for (const station of ["call", "subscribe", "publish"] as const) chain(station, stations[station] ?? []);
    if (Object.keys(stations).length === 0 && coders.length === 0 && window === undefined)
      lines.push("    nobody takes part");
    for (const { plugin, wireNames, per, why } of coders)
      lines.push(`    coder     ${plugin} (${wireNames.join(", ")}) per ${per}: ${why}`);
    if (window !== undefined) lines.push(`    window    ${windowText(window)}`);
    if (absent.length > 0)
      lines.push(`    not here  ${absent.map(({ plugin, station }) => `${plugin} (${station})`).join(", ")}`);
    for (const { plugin, severity, message, mend } of findings)
      lines.push(`    ${severity}: ${plugin}: ${message}; ${mend}`);
  }
  for (const problem of problems) lines.push(`  error: ${problem}`);
  return `${lines.join("\n")}\n`;
}
