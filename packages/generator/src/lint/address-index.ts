// Finds, among addresses of one length, those that some values of their fields make the same, without comparing each with each.
import { FIELD_IN_ADDRESS } from "../model/options.ts";

interface Entry<T> {
  readonly item: T;
  readonly segments: readonly string[];
  readonly order: number;
}

/** Addresses whose fields stand in the same places. */
interface Shape<T> {
  readonly isField: readonly boolean[];
  readonly entries: Entry<T>[];
  /** By the places that are looked at: the first address with these segments there. */
  readonly firstBy: Map<string, Map<string, Entry<T>>>;
}

/**
 * Two addresses can be the same if they agree wherever both have a fixed segment. So an address is looked up once per shape that
 * was met before, by its segments in those places: the work is addresses times shapes, and a schema has few shapes.
 */
export class AddressIndex<T> {
  readonly #shapes = new Map<string, Shape<T>>();
  #count = 0;

  /** The first of the earlier addresses that can be the same. All have the same number of segments. */
  add(segments: readonly string[], item: T): T | undefined {
    const isField = segments.map((segment) => FIELD_IN_ADDRESS.test(segment));
    const entry = { item, segments, order: this.#count++ };
    let same: Entry<T> | undefined;
    for (const shape of this.#shapes.values()) {
      const places = segments.flatMap((_, at) => (isField[at]! || shape.isField[at]! ? [] : [at]));
      const found = firstBy(shape, places).get(keyOf(segments, places));
      if (found !== undefined && (same === undefined || found.order < same.order)) same = found;
    }
    this.#keep(entry, isField);
    return same?.item;
  }

  #keep(entry: Entry<T>, isField: readonly boolean[]): void {
    const name = isField.join();
    let shape = this.#shapes.get(name);
    if (shape === undefined) this.#shapes.set(name, (shape = { isField, entries: [], firstBy: new Map() }));
    shape.entries.push(entry);
    for (const [places, first] of shape.firstBy)
      remember(first, entry, places === "" ? [] : places.split(",").map(Number));
  }
}

function firstBy<T>(shape: Shape<T>, places: readonly number[]): ReadonlyMap<string, Entry<T>> {
  const name = places.join();
  let first = shape.firstBy.get(name);
  if (first === undefined) {
    shape.firstBy.set(name, (first = new Map<string, Entry<T>>()));
    for (const entry of shape.entries) remember(first, entry, places);
  }
  return first;
}

function remember<T>(first: Map<string, Entry<T>>, entry: Entry<T>, places: readonly number[]): void {
  const key = keyOf(entry.segments, places);
  if (!first.has(key)) first.set(key, entry);
}

/** No segment has a "/". */
function keyOf(segments: readonly string[], places: readonly number[]): string {
  return places.map((at) => segments[at]).join("/");
}
