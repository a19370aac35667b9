// The memory link as a subject: the kit's own yardstick.
import { type Clock, memoryLink, type MemoryLink, type MemoryLinkOptions } from "@raceway/core";
import type { LinkSubject } from "./subject.ts";

/** Ends of turns as any platform has them: after the microtasks at hand. */
const clock: Pick<Clock, "turnEnd"> = { turnEnd: (run) => void setTimeout(run) };

/** Memory links to be tested, or to be broken on purpose. */
export function memorySubject(options: Omit<MemoryLinkOptions, "clock"> = {}): LinkSubject {
  const name = options.transport ?? "memory";
  const open = new Set<MemoryLink>();
  return {
    name,
    traits: {
      binary: options.text !== true,
      duplex: true,
      push: true,
      maxBatchBytes: options.maxBatchBytes ?? 1_114_112,
    },
    async connect(client, server, signal) {
      await Promise.resolve();
      signal?.throwIfAborted();
      const link = memoryLink(client, server, { clock, ...options });
      open.add(link);
      return {
        async [Symbol.asyncDispose]() {
          open.delete(link);
          link.cut();
        },
      };
    },
    cut() {
      for (const link of open) link.cut();
    },
  };
}
