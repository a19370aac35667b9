// One store in memory for several servers, which counts what it is asked, can fail, and forgets in time.
import { CONTRACT, type Clock, type Store, type StorePart, fail } from "@raceway/core";
import { memory } from "@raceway/server";
import { testHost } from "@raceway/testkit";

export interface SharedStore extends Disposable {
  /** For the backplane of each server: `memory({ store })`. */
  readonly part: StorePart;
  /** Keys that were read, in order. */
  readonly read: string[];
  fails: boolean;
}

export async function sharedStore(clock: Clock): Promise<SharedStore> {
  const backplane = await memory().start({ ...testHost("server"), clock });
  const it = { read: [] as string[], fails: false };
  const ask = async <T>(run: (store: Store) => Promise<T>): Promise<T> => {
    if (it.fails) throw fail("store_failed", { detail: "it is away" });
    return run(backplane.store);
  };
  return Object.assign(it, {
    part: {
      name: "shared-store",
      contract: CONTRACT,
      traits: { durability: "memory", shared: true },
      start: () =>
        Promise.resolve({
          get(key) {
            it.read.push(key);
            return ask((store) => store.get(key));
          },
          put: (key, value, options) => ask((store) => store.put(key, value, options)),
          delete: (key) => ask((store) => store.delete(key)),
          take: (key, cost, bucket) => ask((store) => store.take(key, cost, bucket)),
          [Symbol.asyncDispose]: () => Promise.resolve(),
        }),
    } satisfies StorePart,
    [Symbol.dispose]: () => void backplane[Symbol.asyncDispose](),
  });
}
