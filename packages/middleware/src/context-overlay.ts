// Context values of which some read differently for who gets them; what is set or deleted is so in the values beneath.
import type { ContextKey, ContextValues } from "@connectrpc/connect";

/** `get` answers in place of the values. */
export function overlaid(values: ContextValues, get: <T>(key: ContextKey<T>) => T): ContextValues {
  return {
    get,
    set(key, value) {
      values.set(key, value);
      return this;
    },
    delete(key) {
      values.delete(key);
      return this;
    },
  };
}
