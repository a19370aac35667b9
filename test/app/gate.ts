// A transport with a gate in front: shut, no link opens; deaf or mute, what the client or the server says on open links vanishes. Counts what leaves.
import { type ClientTransport, type Link, type LinkReceiver, fail } from "@raceway/core";
import { countedFrames, joinParts } from "@raceway/core/internal";

export interface Gate {
  readonly transport: ClientTransport;
  shut: boolean;
  deaf: boolean;
  mute: boolean;
  /** Attempts to open a link so far. */
  attempts: number;
  /** Counted frames of each batch that the client sent. */
  readonly batches: number[];
}

export function gate(inner: ClientTransport, shut = false): Gate {
  const it: Gate = {
    shut,
    deaf: false,
    mute: false,
    attempts: 0,
    batches: [],
    transport: {
      ...inner,
      start(host) {
        const started = inner.start(host);
        return {
          async open(endpoint, opened, signal) {
            it.attempts++;
            if (it.shut) throw fail("transport_failed", { transport: inner.name, detail: "the gate is shut" });
            await started.open(endpoint, (link) => muted(opened(watched(link))), signal);
          },
        };
      },
    },
  };
  const watched = (link: Link): Link =>
    new Proxy(link, {
      get(target, name) {
        if (name === "send")
          return (parts: readonly Uint8Array[]): boolean => {
            it.batches.push(countedFrames(joinParts(parts)));
            return it.deaf || target.send(parts);
          };
        const value: unknown = Reflect.get(target, name, target);
        return typeof value === "function" ? (value as (...all: unknown[]) => unknown).bind(target) : value;
      },
    });
  const muted = (receiver: LinkReceiver): LinkReceiver => ({
    batch(bytes) {
      if (!it.mute) receiver.batch(bytes);
    },
    drain: () => receiver.drain(),
    closed: (error) => receiver.closed(error),
  });
  return it;
}
