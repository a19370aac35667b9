// The options: one table gives types, defaults and checks. From the command line all values are texts.
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "@raceway/core";

export const channelsOptions = {
  /** First line of the list; "" is none. */
  title: { kind: "text", default: "Channels" },
} as const;

export type ChannelsOptions = OptionsOf<typeof channelsOptions>;
export type ResolvedChannelsOptions = ResolvedOptions<typeof channelsOptions>;

export function resolveChannelsOptions(given: ChannelsOptions): ResolvedChannelsOptions {
  return resolveOptions("channels", channelsOptions, given);
}
