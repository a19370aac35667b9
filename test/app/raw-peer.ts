// A peer that speaks frames by hand, to say what no client would.
import type { ClientTransport, Clock, Link } from "@raceway/core";
import { silentLogger, systemRandom } from "@raceway/core";
import { type Frame, type HelloFrame, type WelcomeFrame, encodeFrame, readBatch } from "@raceway/core/internal";

export interface RawPeer {
  readonly link: Link;
  /** All frames that came. */
  readonly frames: Frame[];
  /** Their kinds, batch by batch. */
  readonly batches: string[][];
  /** The link is over. */
  readonly closed: boolean;
  say(...frames: readonly Frame[]): void;
  bytes(...bytes: readonly number[]): void;
}

export async function rawPeer(
  transport: { readonly client: ClientTransport },
  clock: Clock,
  url = "http://lab",
): Promise<RawPeer> {
  const store = {
    get: async () => undefined,
    put: async () => true,
    delete: async () => {},
    take: async () => ({ ok: true, retryAfterMs: 0 }),
  };
  const started = transport.client.start({
    side: "client",
    clock,
    random: systemRandom,
    log: silentLogger,
    store,
    draining: new AbortController().signal,
  });
  const frames: Frame[] = [];
  const batches: string[][] = [];
  let link: Link | undefined;
  let closed = false;
  await started.open(
    { url, path: "/raceway" },
    (opened) => {
      link = opened;
      return {
        batch(bytes) {
          const kinds: string[] = [];
          batches.push(kinds);
          readBatch(bytes, { jsonDepth: 64 }, (frame) => {
            frames.push(frame);
            kinds.push(frame.kind);
          });
        },
        drain() {},
        closed() {
          closed = true;
        },
      };
    },
    new AbortController().signal,
  );
  return {
    link: link!,
    frames,
    batches,
    get closed() {
      return closed;
    },
    say: (...said) => void link!.send(said.map(encodeFrame)),
    bytes: (...bytes) => void link!.send([Uint8Array.from(bytes)]),
  };
}

export const none = new Uint8Array(0);

let attempts = 0;

/** Each with a number above those before, as a client numbers them. */
export function hello(more: Partial<HelloFrame> = {}): HelloFrame {
  return {
    kind: "hello",
    version: 1,
    codecs: ["proto"],
    session: none,
    secret: none,
    received: 0,
    credential: "",
    window: { messages: 100, bytes: 100_000 },
    agent: "raw",
    header: [],
    attempt: ++attempts,
    ...more,
  };
}

export function open(call: number, method: string, more: Partial<Extract<Frame, { kind: "open" }>> = {}): Frame {
  return {
    kind: "open",
    call,
    method,
    header: [],
    timeoutMs: 0,
    idempotencyKey: "",
    after: undefined,
    end: true,
    payload: none,
    ...more,
  };
}

export function welcomeOf(peer: RawPeer): WelcomeFrame {
  const welcome = peer.frames.find((frame) => frame.kind === "welcome");
  if (welcome === undefined) throw new Error(`no Welcome among ${JSON.stringify(peer.frames.map(({ kind }) => kind))}`);
  return welcome;
}
