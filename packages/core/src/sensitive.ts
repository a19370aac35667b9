// What must not get into logs and traces: fields that a schema marks as sensitive, headers that carry credentials, text that would forge a line.
import type { DescField, DescMessage, MessageShape } from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { BinaryReader } from "@bufbuild/protobuf/wire";

/** What is shown in place of what must not be. */
export const REDACTED = "[redacted]";

/** Number of the extension `(raceway.v1.field)`, and of `sensitive` in it. */
const FIELD_EXTENSION = 50_711;
const SENSITIVE = 2;

const known = new WeakMap<DescField, boolean>();

/** Is the field marked, by `(raceway.v1.field).sensitive` or protobuf's own `debug_redact`, which generated code has in its place? */
export function isSensitive(field: DescField): boolean {
  let sensitive = known.get(field);
  if (sensitive === undefined) {
    const { options } = field.proto;
    sensitive =
      options !== undefined &&
      (options.debugRedact ||
        (options.$unknown ?? []).some(({ no, data }) => no === FIELD_EXTENSION && saysSensitive(data)));
    known.set(field, sensitive);
  }
  return sensitive;
}

function saysSensitive(data: Uint8Array): boolean {
  try {
    const reader = new BinaryReader(new BinaryReader(data).bytes());
    let sensitive = false;
    while (reader.pos < reader.len) {
      const [no, wireType] = reader.tag();
      if (no === SENSITIVE && wireType === 0) sensitive = reader.bool();
      else reader.skip(wireType, no);
    }
    return sensitive;
  } catch {
    return true; // what cannot be read is better not shown
  }
}

/** How much of a message is shown. */
const MAX_DEPTH = 5;
const MAX_ITEMS = 20;
const MAX_TEXT = 256;

/**
 * A message as plain values for people to read: by the names of its fields in TypeScript, sensitive ones as `[redacted]`, texts as {@link printable} makes them, bytes as their
 * number, long texts and lists cut. What a
 * `google.protobuf.Any` holds is not shown, since what is sensitive in it is not known here.
 */
export function redactMessage<D extends DescMessage>(desc: D, message: MessageShape<D>): Record<string, unknown> {
  return shownMessage(reflect(desc, message, false), 0);
}

function shownMessage(message: ReflectMessage, depth: number): Record<string, unknown> {
  const shown: Record<string, unknown> = {};
  if (message.desc.typeName === "google.protobuf.Any") return { "@type": REDACTED };
  for (const field of message.fields) {
    if (!message.isSet(field)) continue;
    Object.defineProperty(shown, field.localName, {
      value: isSensitive(field) ? REDACTED : shownField(message, field, depth),
      enumerable: true,
    });
  }
  return shown;
}

function shownField(message: ReflectMessage, field: DescField, depth: number): unknown {
  switch (field.fieldKind) {
    case "message":
      return depth >= MAX_DEPTH ? "…" : shownMessage(message.get(field), depth + 1);
    case "list": {
      const items: unknown[] = [];
      const list = message.get(field);
      for (const item of list) {
        if (items.length === MAX_ITEMS) {
          items.push(`… ${list.size - MAX_ITEMS} more`);
          break;
        }
        items.push(shownValue(item, depth));
      }
      return items;
    }
    case "map": {
      const entries: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
      let count = 0;
      for (const [key, value] of message.get(field)) {
        if (count++ === MAX_ITEMS) break;
        entries[printable(String(key), MAX_TEXT)] = shownValue(value, depth);
      }
      return entries;
    }
    default:
      return shownValue(message.get(field), depth);
  }
}

function shownValue(value: unknown, depth: number): unknown {
  if (typeof value === "string") return printable(value, MAX_TEXT);
  if (typeof value === "bigint") return String(value);
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (typeof value === "object" && value !== null && "desc" in value)
    return depth >= MAX_DEPTH ? "…" : shownMessage(value as ReflectMessage, depth + 1);
  return value;
}

/** Headers whose values are, or may be, credentials. */
const secretHeaders: ReadonlySet<string> = new Set([
  "authorization",
  "cookie",
  "idempotency-key",
  "proxy-authorization",
  "set-cookie",
  "x-api-key",
]);
/** Others that look as if they were. */
const secretLooking = /token|secret|passw|credential|signature|api-?key|session|csrf|xsrf|auth/i;

/** Does a header, by its name, carry what must not be logged? */
export function isSecretHeader(name: string): boolean {
  return secretHeaders.has(name.toLowerCase()) || secretLooking.test(name);
}

/** Control and format characters (what turns text around, or has no width), line ends, and halves of characters: all that could forge a line, or hide one, in a log that people read. */
const unprintable = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Text of a stranger, on one line and with nothing in it but what can be seen: the rest as `\uXXXX`. Cut after `most` characters. */
export function printable(text: string, most = 1_024): string {
  const cut = text.length > most ? `${text.slice(0, most)}…` : text;
  return cut.replace(unprintable, (character) => {
    const hex = character.codePointAt(0)!.toString(16);
    return hex.length > 4 ? `\\u{${hex}}` : `\\u${hex.padStart(4, "0")}`;
  });
}
