// The order of plugins: as listed, unless who provides what stands behind who requires it.
import { fail } from "./errors.ts";
import { CONTRACT } from "./part.ts";
import type { AnyKey, Plugin, PluginList } from "./plugin.ts";

/** Flattens the list and sorts it, keeping the given order where nothing speaks against it. Throws what is wrong with it. */
export function orderPlugins(list: PluginList): readonly Plugin[] {
  const plugins = flatten(list);
  const byName = new Map<string, Plugin>();
  for (const plugin of plugins) {
    if (plugin.contract !== CONTRACT)
      throw fail("plugin_contract", { plugin: plugin.name, contract: String(plugin.contract) });
    if (byName.has(plugin.name)) throw fail("plugin_twice", { plugin: plugin.name });
    byName.set(plugin.name, plugin);
  }
  const earlier = new Map<Plugin, Set<Plugin>>(plugins.map((plugin) => [plugin, new Set()]));
  for (const plugin of plugins) {
    for (const key of plugin.requires ?? []) {
      const providers = plugins.filter((other) => other.provides?.includes(key));
      if (providers.length === 0) throw fail("plugin_missing_provider", { plugin: plugin.name, key: nameOf(key) });
      for (const provider of providers) if (provider !== plugin) earlier.get(plugin)!.add(provider);
    }
    for (const other of plugins) {
      if (asks("after", plugin, other)) earlier.get(plugin)!.add(other);
      if (asks("before", plugin, other)) earlier.get(other)!.add(plugin);
    }
  }
  const ordered: Plugin[] = [];
  const state = new Map<Plugin, "entered" | "done">();
  const path: Plugin[] = [];
  const visit = (plugin: Plugin): void => {
    if (state.get(plugin) === "done") return;
    if (state.get(plugin) === "entered") {
      const circle = [...path.slice(path.indexOf(plugin)), plugin];
      throw fail("plugin_circle", { members: circle.map(({ name }) => name).join(" after ") });
    }
    state.set(plugin, "entered");
    path.push(plugin);
    for (const other of plugins) if (earlier.get(plugin)!.has(other)) visit(other);
    path.pop();
    state.set(plugin, "done");
    ordered.push(plugin);
  };
  for (const plugin of plugins) visit(plugin);
  return ordered;
}

/** Whether a plugin asks to run before, or after, another: by its name, or by "*" unless that one asks for the same, or by name for the contrary. */
export function asks(side: "before" | "after", { name, [side]: wanted = [] }: Plugin, other: Plugin): boolean {
  return (
    wanted.includes(other.name) || (wanted.includes("*") && !other[side]?.some((each) => each === "*" || each === name))
  );
}

function flatten(list: PluginList): Plugin[] {
  const plugins: Plugin[] = [];
  for (const entry of list) {
    if (Array.isArray(entry)) plugins.push(...flatten(entry as PluginList));
    else if (entry) plugins.push(entry as Plugin);
  }
  return plugins;
}

/** For people. */
export function nameOf(key: AnyKey): string {
  return key.id.description ?? "a key without description";
}
