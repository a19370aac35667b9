// Does a message type, or one within it, have rules? Asked without the library, so that who has none does not load it.
import type { DescField, DescMessage, DescOneof } from "@bufbuild/protobuf";

/** Number of `(buf.validate.message)`, `(buf.validate.oneof)` and `(buf.validate.field)`. */
export const RULES: number = 1159;

const known = new WeakMap<DescMessage, boolean>();

export function hasRules(desc: DescMessage): boolean {
  let has = known.get(desc);
  if (has === undefined) known.set(desc, (has = typesWithin(desc).some(hasOwnRules)));
  return has;
}

/** The type itself, and all types of its fields, and of theirs, each once. */
export function typesWithin(desc: DescMessage): readonly DescMessage[] {
  const types = new Set([desc]);
  for (const type of types) {
    for (const field of type.fields) if (field.message !== undefined) types.add(field.message);
  }
  return [...types];
}

/** What has rules of its own in a type: the type, oneofs, fields. */
export function holdersOf(desc: DescMessage): readonly (DescMessage | DescOneof | DescField)[] {
  return [desc, ...desc.oneofs, ...desc.fields].filter(({ proto }) =>
    (proto.options?.$unknown ?? []).some(({ no }) => no === RULES),
  );
}

const hasOwnRules = (desc: DescMessage): boolean => holdersOf(desc).length > 0;
