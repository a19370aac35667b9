// An option of a descriptor, read once: it is kept as bytes, and lint, model and strip all ask for it.
import { type DescExtension, getOption, hasOption } from "@bufbuild/protobuf";

const unset = new WeakMap<DescExtension, unknown>();
const known = new WeakMap<object, Map<DescExtension, unknown>>();

/** As `getOption`, but the same object each time, so nobody may change it. */
export const optionOf: typeof getOption = (desc, option) => {
  if (!hasOption(desc, option)) return remembered(unset, option, () => getOption(desc, option));
  const options = remembered(known, desc, () => new Map<DescExtension, unknown>());
  return remembered(options, option, () => getOption(desc, option));
};

function remembered<K, V>(
  kept: { get(key: K): unknown; set(key: K, value: unknown): unknown },
  key: K,
  make: () => V,
): V {
  let value = kept.get(key) as V | undefined;
  if (value === undefined) kept.set(key, (value = make()));
  return value;
}
