// Options that are given per channel: by "package.Service/Method", or "package.Service/*" for those of a service that have none of their own.
import { type ChannelInfo, fail } from "@raceway/core";

/** What a table says of a channel, the exact name first. */
export function settingOf<T>(channel: ChannelInfo, table: Readonly<Record<string, T>> | undefined): T | undefined {
  if (table === undefined) return undefined;
  const name = namesOf(channel).find((each) => Object.hasOwn(table, each));
  return name === undefined ? undefined : table[name];
}

/** Does a list name the channel? */
export function isNamed(channel: ChannelInfo, list: readonly string[]): boolean {
  return namesOf(channel).some((name) => list.includes(name));
}

/** Checks the names of a table, and its values by a range. Throws `option_invalid`. */
export function checkNumbers(
  part: string,
  option: string,
  table: Readonly<Record<string, number>> | undefined,
  range: { readonly min: number; readonly max: number; readonly unit: string },
): void {
  checkChannelNames(part, option, Object.keys(table ?? {}));
  for (const [name, value] of Object.entries(table ?? {}))
    if (typeof value !== "number" || !(value >= range.min && value <= range.max))
      throw fail("option_invalid", {
        part,
        option: `${option}["${name}"]`,
        value: String(value),
        expected: `a number from ${range.min} to ${range.max} (${range.unit})`,
      });
}

/** Throws `option_invalid` for what can be no channel's name. Whether there is such a channel a client only knows when it is called. */
export function checkChannelNames(part: string, option: string, names: readonly string[]): void {
  for (const name of names)
    if (!/^[\w.]+\/(\w+|\*)$/.test(name))
      throw fail("option_invalid", {
        part,
        option,
        value: JSON.stringify(name),
        expected: `names such as "package.Service/Method" or "package.Service/*"`,
      });
}

function namesOf(channel: ChannelInfo): readonly string[] {
  return [channel.path.slice(1), `${channel.service.typeName}/*`];
}
