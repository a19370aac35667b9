// The server half of the poll transport: finds the link of each request.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE, CONTRACT, CrossOrigin, fail, type HttpExchange, isLinkName, linkName, maxBodyBytes, reasonOf, refuseExchange, resolveLimits, resolveOptions,
  type ServerTransport, TEXT_BATCHES_TYPE, type TransportHost, type TransportRoutes,
} from "@raceway/core"; // prettier-ignore
import { type PollServerOptions, pollServerTable, type ResolvedPollServer } from "./options.ts";
import {
  CLOSE_HEADER,
  LINK_HEADER,
  OPEN_HEADER,
  PAUSE_HEADER,
  POLL_HEADER,
  type PollHead,
  readHead,
  TRANSPORT,
} from "./protocol.ts";
import { type Arrival, ServerLink } from "./server-link.ts";

export type { PollServerOptions } from "./options.ts";

const NOTHING = new Uint8Array(0);

export function poll(given: PollServerOptions = {}): ServerTransport {
  const options = resolveOptions(TRANSPORT, pollServerTable, given);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits: { binary: true, duplex: false, push: true, maxBatchBytes: resolveLimits().batchBytes },
    start: (host) => new PollServer(host, options),
  };
}

class PollServer implements TransportRoutes {
  readonly #host: TransportHost;
  readonly #options: ResolvedPollServer;
  readonly #cross: CrossOrigin;
  readonly #links = new Map<string, ServerLink>();
  /** Links whose client may not know their name yet, by the client's own name of them. */
  readonly #opening = new Map<string, ServerLink>();

  constructor(host: TransportHost, options: ResolvedPollServer) {
    this.#host = host;
    this.#options = options;
    this.#cross = new CrossOrigin(host, {
      transport: TRANSPORT,
      requestHeaders: [OPEN_HEADER, LINK_HEADER, POLL_HEADER, CLOSE_HEADER],
      answerHeaders: [LINK_HEADER, CLOSE_HEADER, PAUSE_HEADER],
      credentials: options.credentials,
    });
  }

  readonly request = (exchange: HttpExchange): void => {
    const headers = this.#cross.admit(exchange);
    if (headers === undefined) return;
    if (exchange.method !== "POST")
      return refuseExchange(exchange, "unimplemented", "Polling is done by POST.", {
        ...headers,
        allow: "POST, OPTIONS",
      });
    const { peer } = exchange;
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
    const head = readHead(peer.header(POLL_HEADER));
    if (head === undefined)
      return refuseExchange(exchange, "invalid_argument", `Header ${POLL_HEADER} is missing or malformed.`, headers);
    if (this.#find(exchange, head, headers) === undefined) return;
    const text = type === TEXT_BATCHES_TYPE;
    if (peer.header("content-length") === "0") return this.#arrived(exchange, head, headers, text, NOTHING);
    exchange.body(maxBodyBytes(this.#host.maxBatchBytes)).then(
      (body) => this.#arrived(exchange, head, headers, text, body),
      (error: unknown) => {
        // If the client went away there is nobody to tell.
        const reason = reasonOf(error);
        if (reason === "body_too_large")
          refuseExchange(exchange, "resource_exhausted", (error as ConnectError).rawMessage, headers);
        if (reason === "body_too_slow")
          refuseExchange(exchange, "deadline_exceeded", (error as ConnectError).rawMessage, headers);
      },
    );
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links.values()) link.end(fail("draining", {}));
    this.#links.clear();
    this.#opening.clear();
  }

  /** The link of a request; "new" if it opens one. Undefined: the request has been refused. */
  #find(
    exchange: HttpExchange,
    head: PollHead,
    headers: Readonly<Record<string, string>>,
  ): ServerLink | "new" | undefined {
    const { peer } = exchange;
    const name = peer.header(LINK_HEADER);
    if (name !== undefined) {
      const link = this.#links.get(name);
      if (link === undefined)
        refuseExchange(exchange, "not_found", fail("link_unknown", { transport: TRANSPORT }).rawMessage, headers);
      return link;
    }
    const opening = peer.header(OPEN_HEADER);
    if (!isLinkName(opening) || head.number !== 1) {
      return void refuseExchange(
        exchange,
        "invalid_argument",
        `A first request needs header ${OPEN_HEADER} with 32 hexadecimal digits, any other needs ${LINK_HEADER}.`,
        headers,
      );
    }
    const link = this.#opening.get(opening);
    if (link !== undefined) return link;
    if (this.#host.draining.aborted)
      return void refuseExchange(exchange, "unavailable", "The server is going down and takes nothing new.", headers);
    if (this.#links.size >= this.#options.maxLinks) {
      return void refuseExchange(
        exchange,
        "resource_exhausted",
        `${this.#links.size} polling links are open, the limit is maxLinks ${this.#options.maxLinks}.`,
        { ...headers, "retry-after": "1" },
        503,
      );
    }
    return "new";
  }

  #arrived(
    exchange: HttpExchange,
    head: PollHead,
    headers: Readonly<Record<string, string>>,
    text: boolean,
    body: Uint8Array,
  ): void {
    const found = this.#find(exchange, head, headers); // again: the body may have taken a while
    if (found === undefined) return;
    const arrival: Arrival = { exchange, head, headers, body, close: exchange.peer.header(CLOSE_HEADER) };
    const link = found === "new" ? this.#make(arrival, text) : found;
    if (link.text !== text)
      return refuseExchange(
        exchange,
        "invalid_argument",
        "The link was opened with the other content type.",
        headers,
        415,
      );
    if (link.opening !== undefined && head.number > 1) {
      this.#opening.delete(link.opening); // the client has learnt the server's name of it
      link.opening = undefined;
    }
    try {
      if (found === "new") link.open(this.#host.opened);
      link.take(arrival);
    } catch (error) {
      // A receiver that throws breaks the contract; it must not take the process along.
      this.#host.log.error("a poll link failed", { error });
      link.end(fail("handler_failed"));
    }
  }

  #make(arrival: Arrival, text: boolean): ServerLink {
    const name = linkName(this.#host.random);
    const opening = arrival.exchange.peer.header(OPEN_HEADER)!;
    const link = new ServerLink(this.#host, this.#options, arrival, { name, opening, text }, () => {
      this.#links.delete(name);
      if (link.opening !== undefined) this.#opening.delete(link.opening);
    });
    this.#links.set(name, link);
    this.#opening.set(opening, link);
    return link;
  }
}
