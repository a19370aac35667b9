// The relay: serves transports in Node for a page that runs the kit, and lets the page work the server's ends of their links.
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Link, LinkOpened } from "@raceway/core";
import { encodeMessage, errorFrom, MessageReader, relayedError, type RelayCommand, type RelayEvent } from "../relay/wire.ts";
import type { ServedTransport } from "../transport-subject.ts";

/** How to serve each transport, by the names that pages ask for. */
export type RelayedTransports = Readonly<Record<string, (opened: LinkOpened) => Promise<ServedTransport>>>;

export interface TransportRelay extends AsyncDisposable {
  /** For `relayedServe`, in the page. */
  readonly url: string;
}

/** For tests on this machine only: whoever reaches it can work the links. Listens on a free port of the loopback interface. */
export async function startRelay(transports: RelayedTransports): Promise<TransportRelay> {
  const serving = new Map<number, Serving>();
  const server = createServer((request, response) => {
    response.setHeader("access-control-allow-origin", "*");
    answer(request, response).catch((error: unknown) => {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    });
  });
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://relay");
    if (request.method === "GET" && pathname === "/serve") {
      const name = searchParams.get("transport") ?? "";
      const serve = Object.hasOwn(transports, name) ? transports[name] : undefined;
      if (serve === undefined) return void response.writeHead(404).end(`no transport "${name}" here, but ${Object.keys(transports).join(", ")}`);
      const one = new Serving(response);
      const id = ++lastId;
      serving.set(id, one);
      response.on("close", () => {
        serving.delete(id);
        void one[Symbol.asyncDispose]();
      });
      return one.start(id, serve);
    }
    const one = serving.get(Number(searchParams.get("served")));
    if (request.method !== "POST" || pathname !== "/commands" || one === undefined) return void response.writeHead(404).end();
    const reader = new MessageReader<RelayCommand>();
    for await (const chunk of request as AsyncIterable<Buffer>) for (const { head, bytes } of reader.read(chunk)) await one.obey(head, bytes);
    response.writeHead(204).end();
  };
  let lastId = 0;
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const one of serving.values()) await one[Symbol.asyncDispose]();
      server.closeAllConnections();
      await closed;
    },
  };
}

const LOOK_MS = 5;

/** One served transport, and the page that listens to it. */
class Serving implements AsyncDisposable {
  readonly #response: ServerResponse;
  readonly #links = new Map<number, Link>();
  readonly #watched = new Set<number>();
  #served: Promise<ServedTransport> | undefined;
  #lastLink = 0;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  async start(id: number, serve: (opened: LinkOpened) => Promise<ServedTransport>): Promise<void> {
    this.#served = serve((link) => this.#opened(link));
    const { endpoint } = await this.#served;
    this.#response.writeHead(200, { "content-type": "application/octet-stream", "cache-control": "no-store" });
    this.#tell({ kind: "served", id, url: endpoint.url, path: endpoint.path });
  }

  async obey(command: RelayCommand, bytes: Uint8Array): Promise<void> {
    if (command.kind === "cut") return (await this.#served)?.cut(command.afterBytes);
    const link = this.#links.get(command.link);
    if (link === undefined) return; // over already; the page will hear of it
    switch (command.kind) {
      case "send": {
        const room = link.send([bytes]);
        this.#tell({ kind: "sent", link: command.link, bytes: bytes.length, buffered: link.buffered, room });
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

  async [Symbol.asyncDispose](): Promise<void> {
    const served = this.#served;
    this.#served = undefined;
    await (await served)?.[Symbol.asyncDispose]();
    this.#response.destroy();
  }

  readonly #opened: LinkOpened = (link) => {
    const number = ++this.#lastLink;
    this.#links.set(number, link);
    const { transport, traits, peer } = link;
    this.#tell({ kind: "opened", link: number, transport, traits, address: peer.address, secure: peer.secure });
    return {
      batch: (bytes) => this.#tell({ kind: "batch", link: number }, bytes),
      drain: () => this.#tell({ kind: "drain", link: number }),
      closed: (error) => {
        this.#links.delete(number);
        this.#tell({ kind: "closed", link: number, error: relayedError(error) });
      },
    };
  };

  /** Nothing tells when `buffered` shrinks, so it is looked at until it is 0 again. */
  #watch(number: number): void {
    if (this.#watched.has(number)) return;
    this.#watched.add(number);
    const look = (): void => {
      const buffered = this.#links.get(number)?.buffered ?? 0;
      if (buffered > 0) return void setTimeout(look, LOOK_MS);
      this.#watched.delete(number);
      this.#tell({ kind: "empty", link: number });
    };
    setTimeout(look, LOOK_MS);
  }

  #tell(event: RelayEvent, bytes?: Uint8Array): void {
    if (!this.#response.destroyed) this.#response.write(encodeMessage(event, bytes));
  }
}
