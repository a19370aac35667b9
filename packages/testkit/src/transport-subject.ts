// A client and a server transport as one subject: opens links from one to the other, and knows which two ends belong together.
import type { ClientTransport, Endpoint, Link, LinkOpened, LinkReceiver } from "@raceway/core";
import { RuleBroken } from "./case.ts";
import type { LinkSubject } from "./subject.ts";
import { testHost } from "./test-host.ts";

/** A server transport that listens. */
export interface ServedTransport extends AsyncDisposable {
  readonly endpoint: Endpoint;
  /** The client half that reaches this server, if its address is an option of the client and not part of the endpoint. */
  readonly client?: ClientTransport;
  /** See {@link LinkSubject.cut}. */
  cut(afterBytes?: number): void | Promise<void>;
}

export interface TransportSubjectOptions extends Pick<LinkSubject, "maxLinks" | "pauseReachesPeer" | "patienceMs"> {
  /** Gives name and traits, and opens the links, unless the server brings its own client. */
  readonly client: ClientTransport;
  /** Starts a server half. Called for the first link, and again for each link with a signal: one that is called off must not be taken for the next. */
  serve(opened: LinkOpened): Promise<ServedTransport>;
}

/** The subject of a transport whose halves both run here. */
export function transportSubject(options: TransportSubjectOptions): LinkSubject {
  const { client, serve, maxLinks, pauseReachesPeer, patienceMs = 10_000 } = options;
  const host = testHost("client");
  const started = client.start(host);
  const own: ServedTransport[] = [];
  /** The server's end of the link that is being opened: one at a time, which is how ends are matched. */
  let expected: LinkOpened = refuse;
  let shared: Promise<ServedTransport> | undefined;
  let previous: Promise<unknown> = Promise.resolve();

  const openPair = async (
    served: ServedTransport,
    pair: Pair,
    clientOpened: LinkOpened,
    signal: AbortSignal,
  ): Promise<AsyncDisposable> => {
    const { open } = served.client?.start(host) ?? started;
    await open(served.endpoint, pair.note(clientOpened), signal);
    await pair.complete;
    return pair;
  };

  return {
    name: client.name,
    traits: client.traits,
    patienceMs,
    ...(maxLinks === undefined ? {} : { maxLinks }),
    ...(pauseReachesPeer === undefined ? {} : { pauseReachesPeer }),
    connect(clientOpened, serverOpened, signal) {
      const pair = new Pair(patienceMs);
      const opening = async (): Promise<AsyncDisposable> => {
        if (signal !== undefined) {
          const served = await serve(pair.note(serverOpened));
          own.push(served); // and lives on: that the server's end learns of the end by itself is for the case to see
          return openPair(served, pair, clientOpened, signal);
        }
        shared ??= serve((link) => expected(link));
        const served = await shared;
        expected = (link) => {
          expected = refuse;
          return pair.note(serverOpened)(link);
        };
        try {
          return await openPair(served, pair, clientOpened, new AbortController().signal);
        } finally {
          expected = refuse;
        }
      };
      const mine = previous.then(opening).finally(() => pair.settled());
      previous = mine.catch(() => undefined);
      return mine;
    },
    async cut(afterBytes) {
      await (await shared)?.cut(afterBytes);
    },
    async [Symbol.asyncDispose]() {
      for (const served of own) await served[Symbol.asyncDispose]();
      await (await shared)?.[Symbol.asyncDispose]();
    },
  };
}

/** Both ends of one link, as they come. */
class Pair implements AsyncDisposable {
  readonly #links: Link[] = [];
  readonly #complete = Promise.withResolvers<void>();
  readonly #timer: ReturnType<typeof setTimeout>;

  constructor(patienceMs: number) {
    const late = new RuleBroken(`opened was not called on both ends within ${patienceMs} ms`);
    this.#timer = setTimeout(() => this.#complete.reject(late), patienceMs);
    this.#complete.promise.catch(() => undefined); // nobody waits for it when opening fails before
  }

  /** Resolves when both ends are there; rejects when one is over before, or none comes. */
  get complete(): Promise<void> {
    return this.#complete.promise;
  }

  note(opened: LinkOpened): LinkOpened {
    return (link) => {
      this.#links.push(link);
      const receiver = opened(link);
      if (this.#links.length === 2) this.#complete.resolve();
      return {
        batch: (bytes) => receiver.batch(bytes),
        heard: () => receiver.heard?.(),
        drain: () => receiver.drain(),
        closed: (error) => {
          this.#complete.reject(error ?? new RuleBroken("one end was closed before the other was handed over"));
          receiver.closed(error);
        },
      };
    };
  }

  settled(): void {
    clearTimeout(this.#timer);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links) link.close();
  }
}

/** A link that nobody waits for is closed at once. */
function refuse(link: Link): LinkReceiver {
  link.close();
  return { batch() {}, drain() {}, closed() {} };
}
