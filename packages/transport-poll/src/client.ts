// The client half of the poll transport: in browsers and in Node, by `fetch`.
import { type ClientTransport, CONTRACT, fail, type LinkTraits, resolveOptions } from "@raceway/core";
import { ClientLink } from "./client-link.ts";
import { type PollClientOptions as TableOptions, pollClientTable } from "./options.ts";
import { TRANSPORT } from "./protocol.ts";

export interface PollClientOptions extends TableOptions {
  /** In place of the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

export function poll(given: PollClientOptions = {}): ClientTransport {
  const { fetch: injected, ...rest } = given;
  const options = resolveOptions(TRANSPORT, pollClientTable, rest);
  const traits: LinkTraits = {
    binary: options.format === "binary",
    duplex: false,
    push: options.mode === "long",
    maxBatchBytes: options.maxBatchBytes,
  };
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits,
    supports: ({ url }) => (injected ?? globalThis.fetch) !== undefined && /^https?:/.test(url),
    start: (host) => ({
      // The link is handed over before the first request, so that what the session says at once rides on it.
      async open(endpoint, opened, signal) {
        if (signal.aborted)
          throw fail("transport_failed", { transport: TRANSPORT, detail: "the attempt was called off" });
        new ClientLink({ host, options, traits, endpoint, fetch: injected ?? globalThis.fetch.bind(globalThis) }).open(
          opened,
        );
      },
    }),
  };
}
