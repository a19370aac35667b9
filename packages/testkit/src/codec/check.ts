// What cases of codecs compare by: messages field by field, bytes one by one; and how they show what they found.
import { type DescMessage, type Message, type MessageShape, equals, toBinary, toJsonString } from "@bufbuild/protobuf";
import { require } from "../case.ts";

/** Broken unless both are the same message, NaN being NaN. */
export function checkSame<D extends DescMessage>(
  desc: D,
  got: MessageShape<D>,
  expected: MessageShape<D>,
  what: string,
): void {
  if (same(desc, got, expected)) return;
  const names = desc.fields
    .filter(({ localName, oneof }) => different(got, expected, oneof?.localName ?? localName))
    .map(({ name }) => name);
  require(false, () =>
    `${what} came back otherwise (${[...new Set(names)].join(", ") || desc.name}): ${shown(desc, got)} in place of ${shown(desc, expected)}`);
}

function same<D extends DescMessage>(desc: D, got: MessageShape<D>, expected: MessageShape<D>): boolean {
  try {
    return equals(desc, got, expected) || sameBytes(toBinary(desc, got), toBinary(desc, expected));
  } catch {
    return false; // it is not even a message
  }
}

const text = (value: unknown): string =>
  JSON.stringify(value, (_, part: unknown) => (typeof part === "bigint" ? `${part}n` : part)) ?? "undefined";

function different(got: Message, expected: Message, name: string): boolean {
  const [one, other] = [got, expected].map(
    (message) => (message as unknown as Readonly<Record<string, unknown>>)[name],
  );
  return text(one) !== text(other);
}

function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, at) => byte === other[at]);
}

/** Broken unless both are the same bytes. */
export function checkBytes(got: Uint8Array, expected: Uint8Array, what: string): void {
  require(sameBytes(got, expected), () => {
    const at = expected.findIndex((byte, index) => byte !== got[index]);
    return `${what} changed, at byte ${at < 0 ? expected.length : at} of ${expected.length}`;
  });
}

/** A message in a few words; whatever it is. */
export function shown(desc: DescMessage, message: unknown): string {
  let json: string;
  try {
    json = toJsonString(desc, message as Message);
  } catch {
    json = String(message);
  }
  return json.length > 160 ? `${json.slice(0, 160)}…` : json;
}

/** The same object, which nobody can change from now on, down to its leaves; the insides of bytes excepted, which JavaScript cannot freeze. */
export function freeze<T>(value: T): T {
  if (typeof value === "object" && value !== null && !ArrayBuffer.isView(value) && !Object.isFrozen(value)) {
    Object.freeze(value);
    for (const inner of Object.values(value)) freeze(inner);
  }
  return value;
}
