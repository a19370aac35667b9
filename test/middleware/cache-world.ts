// A server with the cache, whose handler of `Peek` is in the test's hands, and clients of whom it knows who they are.
import { type Plugin, definePlugin } from "@raceway/core";
import { type Cache, type CacheOptions, type CacheSettings, cache } from "@raceway/middleware/cache";
import { type Lab, lab } from "../app/lab.ts";
import { type LabClient as LabCalls, labClient } from "../gen/lab/v1/lab.client.ts";
import type { LabHandlers } from "../gen/lab/v1/lab.server.ts";
import { names } from "./stage.ts";

export const PEEK = "lab.v1.LabService/Peek";
export type Peek = LabHandlers["peek"];

export interface World extends AsyncDisposable {
  readonly lab: Lab;
  readonly cache: Cache;
  /** What the handler was asked. */
  readonly asked: string[];
  /** Calls of somebody, "id scope #role". */
  as(who: string): LabCalls;
}

/** A server with the cache and a handler for `Peek`; without one the answer is the number of the run. */
export async function world(
  settings: CacheSettings = {},
  { peek, options = {}, use = [names] }: { peek?: Peek; options?: CacheOptions; use?: readonly Plugin[] } = {},
): Promise<World> {
  const plugin = cache({ channels: { [PEEK]: settings }, ...options });
  const asked: string[] = [];
  const made = await lab({
    // First in the list, and innermost all the same.
    server: { use: [plugin, ...use] },
    handlers: {
      peek(request, context) {
        asked.push(request.text);
        return peek === undefined ? { text: `${request.text} ${asked.length}` } : peek(request, context);
      },
    },
  });
  return {
    lab: made,
    cache: plugin,
    asked,
    as: (who) => labClient(made.connect({ use: [shows(who)] })),
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

export const shows = (credential: string): Plugin =>
  definePlugin({ name: "shows", start: () => ({ introduce: (to) => void (to.credential = credential) }) });

export const text = async (call: Promise<{ readonly text: string }>): Promise<string> => (await call).text;
