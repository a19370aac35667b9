// A server in trouble, for tests of clients that deal with it: what each call of a method comes to is written down before.
import type { ConnectError } from "@connectrpc/connect";
import { type Clock, type Plugin, type Random, definePlugin } from "@raceway/core";

/** What becomes of one call: an error, or so many milliseconds that it takes before the handler is asked. */
export type Trouble = ConnectError | number;

export interface Troubles {
  /** For the server. */
  readonly plugin: Plugin;
  /** Calls that came, as "Method". */
  readonly came: string[];
  /** Headers of the calls that came. */
  readonly headers: Headers[];
  /** Calls that were cancelled before they were answered. */
  readonly cancelled: string[];
  /** What becomes of the next calls of a method, in order; then all is well. */
  next(method: string, ...troubles: readonly Trouble[]): void;
  /** What becomes of all further calls of a method; undefined: all is well. */
  always(method: string, trouble: Trouble | undefined): void;
}

export function troubles(clock: Pick<Clock, "after">): Troubles {
  const once = new Map<string, Trouble[]>();
  const forever = new Map<string, Trouble>();
  const came: string[] = [];
  const headers: Headers[] = [];
  const cancelled: string[] = [];
  return {
    came,
    headers,
    cancelled,
    next: (method, ...more) => void once.set(method, [...(once.get(method) ?? []), ...more]),
    always(method, trouble) {
      if (trouble === undefined) forever.delete(method);
      else forever.set(method, trouble);
    },
    plugin: definePlugin({
      name: "troubles",
      start: () => ({
        call:
          ({ desc: { name } }) =>
          (next) =>
          async (request) => {
            came.push(name);
            headers.push(request.header);
            const trouble = once.get(name)?.shift() ?? forever.get(name);
            if (typeof trouble === "number") {
              let over = false;
              request.signal.addEventListener("abort", () => over || cancelled.push(name));
              await new Promise<void>((resolve) => clock.after(trouble, resolve));
              over = true;
            } else if (trouble !== undefined) throw trouble;
            return next(request);
          },
      }),
    }),
  };
}

/** Chance that is none: always the middle. */
export const middle: Random = { next: () => 0.5, bytes: (length) => new Uint8Array(length).fill(7) };
