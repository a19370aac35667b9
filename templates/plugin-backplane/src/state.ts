// What is in the file: keys with their values, and buckets. Times are the wall's, since they have to mean the same after a restart.

export interface Held {
  readonly value: Uint8Array;
  /** In milliseconds since 1970. */
  readonly until: number;
}
export interface Bucket {
  readonly tokens: number;
  /** When there were so many. */
  readonly at: number;
  /** When it will be full, and need not be known any more. */
  readonly fullAt: number;
}
export interface State {
  readonly held: Map<string, Held>;
  readonly buckets: Map<string, Bucket>;
}

/** Lists of pairs: an object would take the key "__proto__" for something else. */
interface Written {
  readonly held: readonly (readonly [key: string, base64: string, until: number])[];
  readonly buckets: readonly (readonly [key: string, bucket: Bucket])[];
}

/** Without what is over at `now`. */
export function textOf({ held, buckets }: State, now: number): string {
  for (const [key, { until }] of held) if (until <= now) held.delete(key);
  for (const [key, { fullAt }] of buckets) if (fullAt <= now) buckets.delete(key);
  const written: Written = {
    held: Array.from(held, ([key, { value, until }]) => [key, Buffer.from(value).toString("base64"), until]),
    buckets: [...buckets],
  };
  return JSON.stringify(written);
}

/** Throws what `JSON.parse` throws. */
export function stateOf(text: string): State {
  const { held, buckets } = JSON.parse(text) as Written;
  return {
    held: new Map(
      held.map(([key, base64, until]) => [key, { value: new Uint8Array(Buffer.from(base64, "base64")), until }]),
    ),
    buckets: new Map(buckets),
  };
}
