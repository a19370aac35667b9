// The server half of the SSE transport: opens streams, and finds the link of each request up.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE, CONTRACT, CrossOrigin, fail, type HttpExchange, isLinkName, linkName, maxBodyBytes, reasonOf, refuseExchange, resolveLimits, resolveOptions,
  type ServerTransport, TEXT_BATCHES_TYPE, type Timer, type TransportHost, type TransportRoutes,
} from "@raceway/core"; // prettier-ignore
import { type ResolvedSseServer, type SseServerOptions, sseServerTable } from "./options.ts";
import {
  BINARY_STREAM,
  CLOSE_HEADER,
  LAST_EVENT_HEADER,
  LINK_HEADER,
  MAX_HEADER,
  OPEN_HEADER,
  REPEAT_MS,
  TEXT_STREAM,
  TRANSPORT,
  UP_HEADER,
} from "./protocol.ts";
import { ServerLink } from "./server-link.ts";

export type { SseServerOptions } from "./options.ts";

type AnswerHeaders = Readonly<Record<string, string>>;

/** Links are looked after in so many groups, one after the other, so that not all say that they are alive at the same moment. */
const GROUPS = 16;
const NOTHING = new Uint8Array(0);

export function sse(given: SseServerOptions = {}): ServerTransport {
  const options = resolveOptions(TRANSPORT, sseServerTable, given);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits: { binary: true, duplex: false, push: true, maxBatchBytes: resolveLimits().batchBytes },
    start: (host) => new SseServer(host, options),
  };
}

class SseServer implements TransportRoutes {
  readonly #host: TransportHost;
  readonly #options: ResolvedSseServer;
  readonly #cross: CrossOrigin;
  readonly #links = new Map<string, ServerLink>();
  /** Clients' own names of openings, kept for a while longer than their links. */
  readonly #openings = new Set<string>();
  readonly #groups: readonly Set<ServerLink>[] = Array.from({ length: GROUPS }, () => new Set<ServerLink>());
  #opened = 0;
  #turn = 0;
  #timer: Timer | undefined;

  constructor(host: TransportHost, options: ResolvedSseServer) {
    this.#host = host;
    this.#options = options;
    this.#cross = new CrossOrigin(host, {
      transport: TRANSPORT,
      requestHeaders: [OPEN_HEADER, LINK_HEADER, UP_HEADER, CLOSE_HEADER, MAX_HEADER],
      answerHeaders: [],
      credentials: options.credentials,
    });
  }

  readonly request = (exchange: HttpExchange): void => {
    const headers = this.#cross.admit(exchange);
    if (headers === undefined) return;
    const { peer } = exchange;
    const accepts = peer.header("accept") ?? "";
    if (exchange.method === "GET") {
      // The end of a stream is the end of its link. An EventSource that nobody closed would open another for ever; 204 is what stops it.
      if (peer.header(LAST_EVENT_HEADER)) return exchange.reply(204, headers);
      if (accepts.includes(TEXT_STREAM)) return this.#open(exchange, headers, true, NOTHING);
      return refuseExchange(
        exchange,
        "invalid_argument",
        `Accept ${TEXT_STREAM}, or POST with ${BATCHES_TYPE}.`,
        headers,
        406,
      );
    }
    if (exchange.method !== "POST")
      return refuseExchange(exchange, "unimplemented", "Streams are opened by GET or POST.", {
        ...headers,
        allow: "GET, POST, OPTIONS",
      });
    const type = peer.header("content-type");
    if (type !== BATCHES_TYPE && type !== TEXT_BATCHES_TYPE) {
      return refuseExchange(
        exchange,
        "invalid_argument",
        `Content type must be ${BATCHES_TYPE} or ${TEXT_BATCHES_TYPE}.`,
        headers,
        415,
      );
    }
    const text = type === TEXT_BATCHES_TYPE;
    const name = peer.header(LINK_HEADER);
    let then: (body: Uint8Array) => void;
    if (name === undefined) {
      if (!accepts.includes(text ? TEXT_STREAM : BINARY_STREAM)) {
        return refuseExchange(
          exchange,
          "invalid_argument",
          `With ${type} the stream is ${text ? TEXT_STREAM : BINARY_STREAM}; accept it.`,
          headers,
          406,
        );
      }
      then = (body) => this.#open(exchange, headers, text, body);
    } else {
      if (this.#find(exchange, headers, name, text) === undefined) return;
      then = (body) => this.#up(exchange, headers, name, text, body);
    }
    if (peer.header("content-length") === "0") return then(NOTHING);
    exchange.body(maxBodyBytes(this.#host.maxBatchBytes)).then(then, (error: unknown) => {
      // If the client went away there is nobody to tell.
      const reason = reasonOf(error);
      if (reason === "body_too_large")
        refuseExchange(exchange, "resource_exhausted", (error as ConnectError).rawMessage, headers);
      if (reason === "body_too_slow")
        refuseExchange(exchange, "deadline_exceeded", (error as ConnectError).rawMessage, headers);
    });
  };

  async [Symbol.asyncDispose](): Promise<void> {
    this.#timer?.[Symbol.dispose]();
    for (const link of [...this.#links.values()]) link.close(fail("draining", {}));
  }

  #open(exchange: HttpExchange, headers: AnswerHeaders, text: boolean, body: Uint8Array): void {
    if (this.#host.draining.aborted)
      return refuseExchange(exchange, "unavailable", "The server is going down and takes nothing new.", headers);
    if (this.#links.size >= this.#options.maxLinks) {
      const message = `${this.#links.size} streams are open, the limit is maxLinks ${this.#options.maxLinks}.`;
      return refuseExchange(exchange, "resource_exhausted", message, { ...headers, "retry-after": "1" }, 503);
    }
    const opening = exchange.peer.header(OPEN_HEADER);
    if (opening !== undefined) {
      if (!isLinkName(opening))
        return refuseExchange(
          exchange,
          "invalid_argument",
          `Header ${OPEN_HEADER} must be 32 hexadecimal digits.`,
          headers,
        );
      if (this.#openings.has(opening))
        return refuseExchange(
          exchange,
          "invalid_argument",
          "This stream has been opened before. Open another under another name.",
          headers,
          409,
        );
      this.#openings.add(opening);
    }
    const name = linkName(this.#host.random);
    const group = this.#groups[this.#opened++ % GROUPS]!;
    const link = new ServerLink(this.#host, exchange.peer, { name, text, maxBatchBytes: maxOf(exchange) }, () => {
      if (!this.#links.delete(name)) return;
      group.delete(link);
      if (opening !== undefined) this.#host.clock.after(REPEAT_MS, () => this.#openings.delete(opening));
    });
    this.#links.set(name, link);
    group.add(link);
    this.#watch();
    this.#guard(link, () => link.open(exchange, headers, this.#host.opened, body));
  }

  #up(exchange: HttpExchange, headers: AnswerHeaders, name: string, text: boolean, body: Uint8Array): void {
    const link = this.#find(exchange, headers, name, text); // again: the body may have taken a while
    if (link === undefined) return;
    const number = Number(exchange.peer.header(UP_HEADER) ?? Number.NaN);
    if (!Number.isSafeInteger(number) || number < 1)
      return refuseExchange(exchange, "invalid_argument", `Header ${UP_HEADER} must be a number from 1 on.`, headers);
    this.#guard(link, () => link.take({ exchange, headers, number, body, close: exchange.peer.header(CLOSE_HEADER) }));
  }

  #find(exchange: HttpExchange, headers: AnswerHeaders, name: string, text: boolean): ServerLink | undefined {
    const link = this.#links.get(name);
    if (link === undefined)
      return void refuseExchange(
        exchange,
        "not_found",
        fail("link_unknown", { transport: TRANSPORT }).rawMessage,
        headers,
      );
    if (link.text !== text)
      return void refuseExchange(
        exchange,
        "invalid_argument",
        "The link was opened with the other content type.",
        headers,
        415,
      );
    return link;
  }

  /** A receiver that throws breaks the contract; it must not take the process along. */
  #guard(link: ServerLink, run: () => void): void {
    try {
      run();
    } catch (error) {
      this.#host.log.error("an sse link failed", { error });
      link.close(fail("handler_failed"));
    }
  }

  /** Looks at one group after the other: each link twice in `keepAliveMs`. */
  #watch(): void {
    this.#timer ??= this.#host.clock.after(this.#options.keepAliveMs / 2 / GROUPS, () => {
      this.#timer = undefined;
      for (const link of this.#groups[this.#turn++ % GROUPS]!) link.keepAlive();
      if (this.#links.size > 0) this.#watch();
    });
  }
}

/** Largest batch that the client says it takes. */
function maxOf(exchange: HttpExchange): number {
  const given = Number(exchange.peer.header(MAX_HEADER) ?? Infinity);
  return given >= 1 ? given : Infinity;
}
