// The client half of the SSE transport: in browsers and in Node, by `fetch`, or by EventSource where answers cannot be read as they come.
import { type ClientTransport, CONTRACT, fail, type LinkTraits, resolveOptions } from "@raceway/core";
import { ClientLink } from "./client-link.ts";
import type { EventSourceConstructor } from "./down-source.ts";
import { sseClientTable, type SseClientOptions as TableOptions } from "./options.ts";
import { TRANSPORT } from "./protocol.ts";

export type { EventSourceConstructor, EventSourceLike } from "./down-source.ts";

export interface SseClientOptions extends TableOptions {
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /** In place of the global `EventSource`. */
  readonly EventSource?: EventSourceConstructor | undefined;
}

export function sse(given: SseClientOptions = {}): ClientTransport {
  const { fetch: injectedFetch, EventSource: injectedSource, ...rest } = given;
  const options = resolveOptions(TRANSPORT, sseClientTable, rest);
  if (options.format === "binary" && options.reader === "eventsource") {
    throw fail("option_invalid", {
      part: TRANSPORT,
      option: "format",
      value: '"binary"',
      expected: "text, since EventSource reads nothing else",
    });
  }
  const Source = injectedSource ?? globalThis.EventSource;
  const byFetch = options.reader === "fetch" || (options.reader === "auto" && (readsStreams() || Source === undefined));
  const traits: LinkTraits = {
    binary: options.format === "binary" || (options.format === "auto" && byFetch),
    duplex: false,
    push: true,
    maxBatchBytes: options.maxBatchBytes,
  };
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    supports: ({ url }) =>
      (injectedFetch ?? globalThis.fetch) !== undefined &&
      (byFetch ? readsStreams() : Source !== undefined) &&
      /^https?:/.test(url),
    start: (host) => ({
      // The link is handed over before the stream is there, so that what the session says at once rides on its opening.
      async open(endpoint, opened, signal) {
        if (signal.aborted)
          throw fail("transport_failed", { transport: TRANSPORT, detail: "the attempt was called off" });
        new ClientLink({
          host,
          options,
          traits,
          endpoint,
          fetch: injectedFetch ?? globalThis.fetch.bind(globalThis),
          Source: byFetch ? undefined : Source,
        }).open(opened);
      },
    }),
  };
}

/** Can an answer be read while it comes? */
function readsStreams(): boolean {
  return typeof Response === "function" && "body" in Response.prototype && typeof ReadableStream === "function";
}
