// The relay: serves transports in Node for a page that runs the kit, and lets the page work the server's ends of their links.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Link, LinkOpened } from "@raceway/core";
import {
  encodeMessage,
  errorFrom,
  type LinkCommand,
  type LinkEvent,
  MessageReader,
  relayedError,
  type RelayCommand,
  type RelayEvent,
} from "../relay/wire.ts";
import type { ServedTransport } from "../transport-subject.ts";

/** How to serve each transport, by the names that pages ask for. */
export type RelayedTransports = Readonly<Record<string, (opened: LinkOpened) => Promise<ServedTransport>>>;

export interface TransportRelay extends AsyncDisposable {
  /** For `relayedServe`, in the page. */
  readonly url: string;
}

/** For tests on this machine only: whoever reaches it can work the links. Listens on a free port of the loopback interface. */
export async function startRelay(transports: RelayedTransports): Promise<TransportRelay> {
  const pages = new Map<number, Page>();
  let lastPage = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://relay");
    if (request.method === "GET" && pathname === "/events") {
      const number = ++lastPage;
      const page = new Page(transports, response, number);
      pages.set(number, page);
      response.on("close", () => {
        pages.delete(number);
        void page[Symbol.asyncDispose]();
      });
      return;
    }
    const page = pages.get(Number(searchParams.get("page")));
    if (request.method !== "POST" || pathname !== "/commands" || page === undefined)
      return void response.writeHead(404).end();
    const reader = new MessageReader<RelayCommand>();
    for await (const chunk of request as AsyncIterable<Buffer>)
      for (const { head, bytes } of reader.read(chunk)) await page.obey(head, bytes);
    response.writeHead(204).end();
  };
  const server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const page of pages.values()) await page[Symbol.asyncDispose]();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** A page that listens, and all that is served for it. */
class Page implements AsyncDisposable {
  readonly #transports: RelayedTransports;
  readonly #response: ServerResponse;
  readonly #serving = new Map<number, Serving>();

  constructor(transports: RelayedTransports, response: ServerResponse, page: number) {
    this.#transports = transports;
    this.#response = response;
    response.writeHead(200, { "content-type": "application/octet-stream", "cache-control": "no-store" });
    this.#tell({ served: 0, kind: "page", page });
  }

  async obey(command: RelayCommand, bytes: Uint8Array): Promise<void> {
    const { served } = command;
    if (command.kind === "serve") return this.#serve(served, command.transport);
    const serving = this.#serving.get(served);
    if (serving === undefined) return; // over already; the page will hear of it
    switch (command.kind) {
      case "end":
        this.#serving.delete(served);
        await serving.transport[Symbol.asyncDispose]();
        return this.#tell({ served, kind: "ended" });
      case "cut":
        return serving.transport.cut(command.afterBytes);
      default:
        return serving.links.obey(command, bytes);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const all = [...this.#serving.values()];
    this.#serving.clear();
    for (const { transport } of all) await transport[Symbol.asyncDispose]();
    this.#response.destroy();
  }

  async #serve(served: number, name: string): Promise<void> {
    const serve = Object.hasOwn(this.#transports, name) ? this.#transports[name] : undefined;
    if (serve === undefined) {
      return this.#tell({
        served,
        kind: "refused",
        detail: `no transport "${name}" here, but ${Object.keys(this.#transports).join(", ")}`,
      });
    }
    const links = new RelayedLinks((event, bytes) => this.#tell({ ...event, served }, bytes));
    const transport = await serve(links.opened);
    this.#serving.set(served, { transport, links });
    this.#tell({ served, kind: "served", url: transport.endpoint.url, path: transport.endpoint.path });
  }

  #tell(event: RelayEvent, bytes?: Uint8Array): void {
    if (!this.#response.destroyed) this.#response.write(encodeMessage(event, bytes));
  }
}

interface Serving {
  readonly transport: ServedTransport;
  readonly links: RelayedLinks;
}

const LOOK_MS = 5;

/** The links of one served transport: tells what happens to them, and does to them what the page says. */
class RelayedLinks {
  readonly #tell: (event: LinkEvent, bytes?: Uint8Array) => void;
  readonly #links = new Map<number, Link>();
  readonly #watched = new Set<number>();
  #last = 0;

  constructor(tell: (event: LinkEvent, bytes?: Uint8Array) => void) {
    this.#tell = tell;
  }

  readonly opened: LinkOpened = (link) => {
    const number = ++this.#last;
    this.#links.set(number, link);
    const { transport, traits, peer } = link;
    this.#tell({ link: number, kind: "opened", transport, traits, address: peer.address, secure: peer.secure });
    return {
      batch: (bytes) => this.#tell({ link: number, kind: "batch" }, bytes),
      drain: () => this.#tell({ link: number, kind: "drain" }),
      closed: (error) => {
        this.#links.delete(number);
        this.#tell({ link: number, kind: "closed", error: relayedError(error) });
      },
    };
  };

  obey(command: LinkCommand, bytes: Uint8Array): void {
    const link = this.#links.get(command.link);
    if (link === undefined) return; // over already; the page will hear of it
    switch (command.kind) {
      case "send": {
        const room = link.send([bytes]);
        this.#tell({ link: command.link, kind: "sent", bytes: bytes.length, buffered: link.buffered, room });
        if (link.buffered > 0) this.#watch(command.link);
        return;
      }
      case "pause":
        return link.pause();
      case "resume":
        return link.resume();
      case "close":
        return link.close(errorFrom(command.error));
    }
  }

  /** Nothing tells when `buffered` shrinks, so it is looked at until it is 0 again. */
  #watch(number: number): void {
    if (this.#watched.has(number)) return;
    this.#watched.add(number);
    const look = (): void => {
      const buffered = this.#links.get(number)?.buffered ?? 0;
      if (buffered > 0) return void setTimeout(look, LOOK_MS);
      this.#watched.delete(number);
      this.#tell({ link: number, kind: "empty" });
    };
    setTimeout(look, LOOK_MS);
  }
}
