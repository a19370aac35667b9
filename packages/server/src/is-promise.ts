// Tells an answer that is there from one that comes: what is there is taken at once, without a turn of the microtask queue.

/** A message may have a field `then`, which is no function. */
export function isPromise<T>(value: T | Promise<T>): value is Promise<T> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
