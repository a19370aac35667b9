// Channels that are left out, by name.
import { type ChannelInfo, fail } from "@raceway/core";

/** Throws `option_invalid` for what can be no channel's name. */
export function checkSkipped(names: readonly string[]): void {
  for (const name of names)
    if (!/^[\w.]+\/(\w+|\*)$/.test(name))
      throw fail("option_invalid", {
        part: "validate",
        option: "skip",
        value: JSON.stringify(name),
        expected: `names such as "package.Service/Method" or "package.Service/*"`,
      });
}

export function isSkipped(channel: ChannelInfo, names: readonly string[]): boolean {
  return names.includes(channel.path.slice(1)) || names.includes(`${channel.service.typeName}/*`);
}
