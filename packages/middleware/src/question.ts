// What was asked, as one string: equal only if all is equal that an answer may depend on.
import type { ChannelInfo } from "@raceway/core";
import type { Question } from "./answers.ts";
import { canonicalBytes } from "./canonical.ts";
import { checkChannelNames } from "./channel-settings.ts";

/** Characters per step: a function takes so many arguments on every platform. */
const STEP = 8_192;

/** Undefined if it is longer than `keyBytes`: what is as long is seldom asked twice, and somebody may ask it to fill memory. */
export function questionOf(
  channel: ChannelInfo,
  request: unknown,
  principal: string,
  facts: readonly (string | null)[],
  keyBytes: number,
): Question | undefined {
  // JSON has no line end outside of its strings, and none unescaped in them: where the request begins is sure.
  const start = `${JSON.stringify([channel.path, principal, ...facts])}\n`;
  const bytes = requestText(channel, request, keyBytes - start.length);
  if (bytes === undefined) return undefined;
  return { key: start + bytes, requestAt: start.length, channel: channel.path, principal };
}

/** The request in its canonical form, a character per byte. */
export function requestText(channel: ChannelInfo, request: unknown, most: number = Infinity): string | undefined {
  const bytes = canonicalBytes(channel.desc.input, request);
  if (bytes.length > most) return undefined;
  let text = "";
  // Not spread: that asks for each byte by an iterator.
  for (let at = 0; at < bytes.length; at += STEP)
    text += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(at, at + STEP)) as string;
  return text;
}

/** Whether something was asked of a channel, "package.Service/Method" or "package.Service/*". Throws `option_invalid` for what can be no name. */
export function askedOf(name: string): (question: Question) => boolean {
  checkChannelNames("cache", "drop", [name]);
  if (!name.endsWith("/*")) return ({ channel }) => channel === `/${name}`;
  const service = `/${name.slice(0, -1)}`;
  return ({ channel }) => channel.startsWith(service);
}
