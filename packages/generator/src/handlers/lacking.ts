// Services that nobody implements.
import type { CodeFacts } from "./code/code-facts.ts";
import type { Wanted } from "./wanted-services.ts";

/**
 * One of each that has a channel, and is neither implemented nor in what could not be analysed; a service may be generated into several
 * folders.
 */
export function lacking(services: readonly Wanted[], { sites, unreadable }: CodeFacts): readonly Wanted[] {
  const there = new Set([
    ...sites.map(({ service }) => service.typeName),
    ...unreadable.flatMap((one) => one.services.map(({ typeName }) => typeName)),
  ]);
  return services.filter(({ typeName, channels }) => channels.size > 0 && !there.has(typeName) && there.add(typeName));
}
