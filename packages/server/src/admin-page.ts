// One page of a list that changes while it is read: the next items by their names, so that what is there all the time is listed once.

/** Items of a page whose size is not said, and of any page at most. */
const USUAL = 100;
const MOST = 1_000;

export interface Page<T> {
  readonly items: readonly T[];
  /** "": that was all. */
  readonly next: string;
}

/** Keeps no more than a page in memory, however many there are. One item at least, however much it weighs. */
export function page<T>(
  all: Iterable<T>,
  nameOf: (item: T) => string,
  options: {
    /** Name of the last item of the page before; "": from the first on. */
    readonly after: string;
    /** 0: the usual. */
    readonly size: number;
    /** What an item takes, about, and what the page may take in all; in bytes. */
    weigh(item: T): number;
    readonly budget: number;
  },
): Page<T> {
  const size = Math.min(options.size || USUAL, MOST);
  const chosen: { readonly name: string; readonly item: T }[] = []; // in order, one more than the page, to know whether there is more
  for (const item of all) {
    const name = nameOf(item);
    if (name <= options.after || (chosen.length > size && name >= chosen.at(-1)!.name)) continue;
    chosen.splice(placeOf(name, chosen), 0, { name, item });
    if (chosen.length > size + 1) chosen.pop();
  }
  let count = 0;
  for (let weight = 0; count < Math.min(size, chosen.length); count++) {
    weight += options.weigh(chosen[count]!.item);
    if (count > 0 && weight > options.budget) break;
  }
  const items = chosen.slice(0, count).map(({ item }) => item);
  return { items, next: count < chosen.length ? chosen[count - 1]!.name : "" };
}

/** Where a name belongs in an ordered list. */
function placeOf(name: string, ordered: readonly { readonly name: string }[]): number {
  let low = 0;
  let high = ordered.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ordered[middle]!.name < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
