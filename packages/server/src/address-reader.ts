// Topic addresses read backwards: from "rooms/tea/messages" to the channel, and the fields that name the topic.
import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";
import { fail } from "@raceway/core";
import type { Channel } from "./channel.ts";

export interface ReadAddress {
  readonly channel: Channel;
  /** The fields that name the topic, as a publisher is given them. */
  readonly key: Record<string, unknown>;
}

/** The topics that handlers publish to. */
export class AddressReader {
  readonly #channels: readonly Channel[];

  constructor(channels: Iterable<Channel>) {
    this.#channels = [...channels].filter(({ addressOf }) => addressOf !== undefined);
  }

  /** `wanted`: "package.Service/Method", or "" for any. Throws `topic_unknown` and `topic_ambiguous`. */
  read(address: string, wanted: string): ReadAddress {
    const path = wanted === "" || wanted.startsWith("/") ? wanted : `/${wanted}`;
    const found = this.#channels.flatMap((channel) => {
      if (path !== "" && channel.path !== path) return [];
      const key = keyOf(channel, address);
      return key === undefined ? [] : [{ channel, key }];
    });
    const [first] = found;
    const shown = address.slice(0, 200);
    if (first === undefined) throw fail("topic_unknown", { address: shown });
    if (found.length > 1) {
      const channels = found.map(({ channel }) => channel.path.slice(1)).join(", ");
      throw fail("topic_ambiguous", { address: shown, channels });
    }
    return first;
  }
}

/** Undefined: it is no address of this channel. */
function keyOf(channel: Channel, address: string): Record<string, unknown> | undefined {
  const fields = channel.contract.addressFields ?? [];
  const template = channel.contract.address ?? channel.path.slice(1);
  const texts = textsBetween(address, template.split(/\{[^}]*\}/));
  if (texts?.length !== fields.length) return undefined;
  const key: Record<string, unknown> = {};
  try {
    for (const [at, path] of fields.entries()) put(key, path, decodeURIComponent(texts[at]!), channel.desc.input);
    // Each topic has one address: another way to write the same is none.
    return channel.addressOf!(key) === address ? key : undefined;
  } catch {
    return undefined; // no number, no escape, too long
  }
}

/**
 * What stands between these literals, of which the first begins the text and the last ends it: at least one character each time. Each literal is taken where it comes
 * first, so it takes no longer than the address is.
 */
function textsBetween(text: string, literals: readonly string[]): string[] | undefined {
  const [head = "", ...others] = literals;
  if (!text.startsWith(head)) return undefined;
  const texts: string[] = [];
  let from = head.length;
  for (const [at, literal] of others.entries()) {
    const isLast = at === others.length - 1;
    const to = isLast ? text.length - literal.length : text.indexOf(literal, from + 1);
    if (to <= from || !text.startsWith(literal, to)) return undefined;
    texts.push(text.slice(from, to));
    from = to + literal.length;
  }
  return from === text.length ? texts : undefined;
}

/** Sets the field that a path such as "room.id" names. */
function put(key: Record<string, unknown>, path: string, text: string, message: DescMessage): void {
  const [name = "", ...rest] = path.split(".");
  const field = message.fields.find(({ localName }) => localName === name);
  if (field === undefined) throw new Error(`${message.typeName} has no field ${name}`);
  if (rest.length === 0) key[name] = valueOf(field, text);
  else if (field.fieldKind === "message")
    put((key[name] ??= {}) as Record<string, unknown>, rest.join("."), text, field.message);
}

function valueOf(field: DescField, text: string): unknown {
  if (field.fieldKind === "enum") return Number(text);
  if (field.fieldKind !== "scalar") return undefined;
  switch (field.scalar) {
    case ScalarType.STRING:
      return text;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
    case ScalarType.SINT64:
      return field.longAsString ? text : BigInt(text);
    default:
      return Number(text);
  }
}
