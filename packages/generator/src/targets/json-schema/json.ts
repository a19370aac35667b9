// JSON as text and as values, for targets that write it.

export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/** A property may be called `__proto__`: here it is one like any other. */
export function jsonObject(entries: Iterable<readonly [name: string, value: Json]>): { readonly [name: string]: Json } {
  const object = Object.create(null) as Record<string, Json>;
  for (const [name, value] of entries) object[name] = value;
  return object;
}

export function jsonText(value: Json): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
