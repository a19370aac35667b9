// The server half of the poll transport: finds the link of each request.
import { CONTRACT, fail, type HttpExchange, reasonOf, resolveOptions, type ServerTransport, type TransportHost, type TransportRoutes } from "@raceway/core";
import { CrossOrigin } from "./cross-origin.ts";
import { type PollServerOptions, pollServerTable, type ResolvedPollServer } from "./options.ts";
import { BINARY_TYPE, CLOSE_HEADER, isName, LINK_HEADER, maxBodyBytes, NAME_BYTES, nameOf, OPEN_HEADER, PAUSE_HEADER, POLL_HEADER, type PollHead, readHead, TEXT_TYPE, TRANSPORT } from "./protocol.ts";
import { type Arrival, ServerLink } from "./server-link.ts";

export type { PollServerOptions } from "./options.ts";

const NOTHING = new Uint8Array(0);
const DEFAULT_MAX_BATCH_BYTES = 1_114_112;
/** What a body's failure is answered with. */
const STATUS_OF: Readonly<Record<string, number>> = { body_too_large: 413, body_too_slow: 408 };

export function poll(given: PollServerOptions = {}): ServerTransport {
  const options = resolveOptions(TRANSPORT, pollServerTable, given);
  return {
    name: TRANSPORT,
    contract: CONTRACT,
    traits: { binary: true, duplex: false, push: true, maxBatchBytes: DEFAULT_MAX_BATCH_BYTES },
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
    if (exchange.method !== "POST") return refuse(exchange, 405, { ...headers, allow: "POST, OPTIONS" }, "unimplemented", "Polling is done by POST.");
    const { peer } = exchange;
    const type = peer.header("content-type");
    if (type !== BINARY_TYPE && type !== TEXT_TYPE) {
      return refuse(exchange, 415, headers, "invalid_argument", `Content type must be ${BINARY_TYPE} or ${TEXT_TYPE}.`);
    }
    const head = readHead(peer.header(POLL_HEADER));
    if (head === undefined) return refuse(exchange, 400, headers, "invalid_argument", `Header ${POLL_HEADER} is missing or malformed.`);
    if (this.#find(exchange, head, headers) === undefined) return;
    const text = type === TEXT_TYPE;
    if (peer.header("content-length") === "0") return this.#arrived(exchange, head, headers, text, NOTHING);
    exchange.body(maxBodyBytes(this.#host.maxBatchBytes)).then(
      (body) => this.#arrived(exchange, head, headers, text, body),
      (error: unknown) => {
        // If the client went away there is nobody to tell.
        const status = STATUS_OF[reasonOf(error) ?? ""];
        if (status !== undefined) refuse(exchange, status, headers, status === 413 ? "resource_exhausted" : "deadline_exceeded", (error as Error).message);
      },
    );
  };

  async [Symbol.asyncDispose](): Promise<void> {
    for (const link of this.#links.values()) link.end(fail("draining", {}));
    this.#links.clear();
    this.#opening.clear();
  }

  /** The link of a request; "new" if it opens one. Undefined: the request has been refused. */
  #find(exchange: HttpExchange, head: PollHead, headers: Readonly<Record<string, string>>): ServerLink | "new" | undefined {
    const { peer } = exchange;
    const name = peer.header(LINK_HEADER);
    if (name !== undefined) {
      const link = this.#links.get(name);
      if (link === undefined) refuse(exchange, 404, headers, "not_found", "There is no such link here, or no more. Open another; the session resumes on it.");
      return link;
    }
    const opening = peer.header(OPEN_HEADER);
    if (!isName(opening) || head.number !== 1) {
      return void refuse(exchange, 400, headers, "invalid_argument", `A first request needs header ${OPEN_HEADER} with 32 hexadecimal digits, any other needs ${LINK_HEADER}.`);
    }
    const link = this.#opening.get(opening);
    if (link !== undefined) return link;
    if (this.#host.draining.aborted) return void refuse(exchange, 503, headers, "unavailable", "The server is going down and takes nothing new.");
    if (this.#links.size >= this.#options.maxLinks) {
      return void refuse(exchange, 503, { ...headers, "retry-after": "1" }, "resource_exhausted", `${this.#links.size} polling links are open, the limit is maxLinks ${this.#options.maxLinks}.`);
    }
    return "new";
  }

  #arrived(exchange: HttpExchange, head: PollHead, headers: Readonly<Record<string, string>>, text: boolean, body: Uint8Array): void {
    const found = this.#find(exchange, head, headers); // again: the body may have taken a while
    if (found === undefined) return;
    const arrival: Arrival = { exchange, head, headers, body, close: exchange.peer.header(CLOSE_HEADER) };
    const link = found === "new" ? this.#make(arrival, text) : found;
    if (link.text !== text) return refuse(exchange, 415, headers, "invalid_argument", "The link was opened with the other content type.");
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
    const name = nameOf(this.#host.random.bytes(NAME_BYTES));
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

function refuse(exchange: HttpExchange, status: number, headers: Readonly<Record<string, string>>, code: string, message: string): void {
  const body = new TextEncoder().encode(`${JSON.stringify({ code, message })}\n`);
  exchange.reply(status, { ...headers, "content-type": "application/json", "cache-control": "no-store" }, body);
}
