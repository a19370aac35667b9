// What a list of plugins comes to, and why: the order, and for each channel who takes part where. For people; nothing here runs while calls do.
import type { BatchWindow } from "./batch-window.ts";
import type { ChannelKind } from "./channel.ts";
import type { Host } from "./part.ts";
import { asks, nameOf, orderPlugins } from "./plugin-order.ts";
import { startPlugins } from "./plugin-start.ts";
import type { AnyKey, ChannelInfo, Plugin, PluginFinding, PluginList, Stations } from "./plugin.ts";

/** A plugin at its place in the order. */
export interface PlacedPlugin {
  readonly plugin: Plugin;
  /** Why here: sentences without a full stop. "As listed" if nothing else was said. */
  readonly why: readonly string[];
}

/** What plugins make of one channel. */
export interface ChannelInspection {
  readonly path: string;
  readonly kind: ChannelKind;
  /** Stations that somebody takes part in, with the names of plugins, the first outermost. */
  readonly stations: Readonly<Partial<Record<ChannelStation, readonly string[]>>>;
  /** Plugins that have such a station, and were asked, and are not on this channel. */
  readonly absent: readonly { readonly plugin: string; readonly station: "call" | "topic" | "window" }[];
  /** Who codes the bytes of its messages, in order, on links whose other end has the same. */
  readonly coders: readonly CoderInspection[];
  /** How long its messages may wait for company; undefined: nobody says so, they leave with what else the turn says. */
  readonly window: WindowInspection | undefined;
  readonly findings: readonly (PluginFinding & { readonly plugin: string })[];
}
export type ChannelStation = "call" | "subscribe" | "publish";

export interface CoderInspection {
  readonly plugin: string;
  /** What it is called on the wire, best first. */
  readonly wireNames: readonly string[];
  /** Coded once for all subscribers of a topic, or for each link. */
  readonly per: "topic" | "link";
  /** A sentence without a full stop. */
  readonly why: string;
}
export interface WindowInspection {
  readonly plugin: string;
  readonly windowMs: number;
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** Plugins that gave one, too, behind it: of several the first counts. */
  readonly unheard: readonly string[];
}

/** What a list of plugins comes to on one side. */
export interface Inspection {
  readonly side: Host["side"];
  readonly order: readonly { readonly plugin: string; readonly why: readonly string[] }[];
  /** Names of plugins that introduce a client (on a client), or admit sessions and native requests (on a server), in order. */
  readonly introduce: readonly string[];
  readonly session: readonly string[];
  readonly channels: readonly ChannelInspection[];
  /** What would stop the start, of all channels together. */
  readonly problems: readonly string[];
}

/** {@link orderPlugins}, with reasons. Throws what it throws. */
export function explainOrder(list: PluginList): readonly PlacedPlugin[] {
  const ordered = orderPlugins(list);
  const listed = (list as readonly unknown[]).flat(Infinity).filter(Boolean) as Plugin[];
  return ordered.map((plugin, at) => {
    const why = ordered.flatMap((other) => (other === plugin ? [] : behind(plugin, other)));
    // Who stands before somebody that was listed earlier was called for by whom it has to precede.
    const movedUp = ordered.slice(at + 1).some((other) => listed.indexOf(other) < listed.indexOf(plugin));
    if (movedUp) for (const other of ordered) if (other !== plugin) why.push(...ahead(plugin, other));
    return { plugin, why: why.length > 0 ? why : ["as listed"] };
  });
}

function behind(plugin: Plugin, other: Plugin): string[] {
  return [
    ...shared(other.provides, plugin.requires).map((key) => `after ${other.name}, which provides "${key}"`),
    ...(asks("after", plugin, other) ? [`after ${other.name}, as it asks itself`] : []),
    ...(asks("before", other, plugin) ? [`after ${other.name}, which asks to run before it`] : []),
  ];
}

function ahead(plugin: Plugin, other: Plugin): string[] {
  return [
    ...shared(plugin.provides, other.requires).map((key) => `before ${other.name}, which requires "${key}"`),
    ...(asks("before", plugin, other) ? [`before ${other.name}, as it asks itself`] : []),
    ...(asks("after", other, plugin) ? [`before ${other.name}, which asks to run after it`] : []),
  ];
}

function shared(provides: readonly AnyKey[] = [], requires: readonly AnyKey[] = []): string[] {
  return requires.filter((key) => provides.includes(key)).map(nameOf);
}

/** As a server chooses them: the first of its coders alone codes for all subscribers of a topic, if it can. */
function codersOf(
  entries: readonly { readonly name: string; readonly stations: Stations }[],
  isServedTopic: boolean,
): readonly CoderInspection[] {
  const coding = entries.flatMap(({ name, stations: { batch } }) => (batch === undefined ? [] : [{ name, batch }]));
  return coding.map(({ name, batch: { wireNames, share } }, at): CoderInspection => {
    const base = { plugin: name, wireNames };
    if (!isServedTopic) return { ...base, per: "link", why: "what is sent over a link is coded for it" };
    if (share === undefined) return { ...base, per: "link", why: "it cannot code for many at once" };
    if (at > 0)
      return { ...base, per: "link", why: `only the first coder codes for all, and that is ${coding[0]!.name}` };
    return { ...base, per: "topic", why: "it is the first coder, and codes once for all subscribers" };
  });
}

function windowOf(
  windows: readonly { readonly plugin: string; readonly window: BatchWindow }[],
): WindowInspection | undefined {
  const [first, ...others] = windows;
  if (first === undefined) return undefined;
  const { windowMs, maxMessages, maxBytes } = first.window;
  return { plugin: first.plugin, windowMs, maxMessages, maxBytes, unheard: others.map(({ plugin }) => plugin) };
}

/** All that plugins say about a channel, without starting them. */
export function checkChannel(plugins: readonly Plugin[], channel: ChannelInfo): ChannelInspection["findings"] {
  return plugins.flatMap((plugin) =>
    (plugin.check?.(channel) ?? []).map((finding) => ({ plugin: plugin.name, ...finding })),
  );
}

/** Starts the plugins on a host of their own, asks them about each channel as a host does, and ends them. Rejects with what their start fails with. */
export async function inspectPlugins(
  list: PluginList,
  channels: readonly ChannelInfo[],
  host: Host,
): Promise<Inspection> {
  const placed = explainOrder(list);
  const plugins = placed.map(({ plugin }) => plugin);
  await using started = await startPlugins(plugins, host);
  const entries = started.stations.map((stations, at) => ({ name: plugins[at]!.name, stations }));
  const named = (has: (entry: (typeof entries)[number]) => boolean): string[] =>
    entries.filter(has).map(({ name }) => name);
  const inspected = channels.map((channel): ChannelInspection => {
    const stations: Partial<Record<ChannelStation, string[]>> = {};
    const absent: { plugin: string; station: "call" | "topic" | "window" }[] = [];
    const windows: { plugin: string; window: BatchWindow }[] = [];
    const join = (station: ChannelStation, name: string): void => void (stations[station] ??= []).push(name);
    for (const { name, stations: own } of entries) {
      if (own.call !== undefined) {
        if (own.call(channel) === undefined) absent.push({ plugin: name, station: "call" });
        else join("call", name);
      }
      if (own.window !== undefined) {
        const window = own.window(channel);
        if (window === undefined) absent.push({ plugin: name, station: "window" });
        else windows.push({ plugin: name, window });
      }
      if (own.topic === undefined || host.side === "client" || channel.contract.kind !== "topic") continue;
      const gate = own.topic(channel);
      if ([gate?.subscribe, gate?.publish, gate?.replace].every((face) => face === undefined))
        absent.push({ plugin: name, station: "topic" });
      if (gate?.subscribe !== undefined) join("subscribe", name);
      if (gate?.publish !== undefined || gate?.replace !== undefined) join("publish", name);
    }
    return {
      path: channel.path,
      kind: channel.contract.kind,
      stations,
      absent,
      coders: codersOf(entries, host.side === "server" && channel.contract.kind === "topic"),
      window: windowOf(windows),
      findings: checkChannel(plugins, channel),
    };
  });
  const problems: string[] = [];
  if (host.side === "server") {
    for (const { name, stations } of entries) {
      try {
        stations.ready?.();
      } catch (error) {
        problems.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
      }
    }
  }
  return {
    side: host.side,
    order: placed.map(({ plugin, why }) => ({ plugin: plugin.name, why })),
    introduce: host.side === "client" ? named(({ stations }) => stations.introduce !== undefined) : [],
    session: host.side === "server" ? named(({ stations }) => stations.session !== undefined) : [],
    channels: inspected,
    problems,
  };
}
