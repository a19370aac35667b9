// Server transports that run elsewhere, usually in Node while this is a page: their links are worked from here as if they were ours.
import type { ConnectError } from "@connectrpc/connect";
import { fail, type Link, type LinkOpened, type LinkReceiver, type LinkTraits, type Peer } from "@raceway/core";
import type { ServedTransport } from "../transport-subject.ts";
import {
  encodeMessage,
  errorFrom,
  joined,
  type LinkCommand,
  type LinkEvent,
  MessageReader,
  relayedError,
  type RelayedError,
  type RelayCommand,
  type RelayEvent,
} from "./wire.ts";

/** Bytes given to the relay and not yet to the far link above which a relayed link says stop. */
const HIGH_WATER = 65_536;

/** Gives the `serve` of a transport subject, for a transport that the relay at this URL knows by this name. */
export function relayedServe(relayUrl: string, transport: string): (opened: LinkOpened) => Promise<ServedTransport> {
  return (opened) => {
    let relay = relays.get(relayUrl);
    if (relay === undefined) {
      relay = new Relay(relayUrl, () => relays.delete(relayUrl));
      relays.set(relayUrl, relay);
    }
    return relay.serve(transport, opened);
  };
}

/** One for each URL: its stream of events takes one of the six connections that a page has to a server. */
const relays = new Map<string, Relay>();

/** One served transport. */
interface Served {
  readonly opened: LinkOpened;
  readonly links: Map<number, RelayedLink>;
  readonly ready: PromiseWithResolvers<{ readonly url: string; readonly path: string }>;
  readonly ended: PromiseWithResolvers<void>;
}

/** All that one page has served by one relay. Lives as long as anything is. */
class Relay {
  readonly #url: string;
  readonly #over: () => void;
  readonly #served = new Map<number, Served>();
  readonly #ending = new AbortController();
  readonly #page = Promise.withResolvers<number>();
  #last = 0;
  #waiting: Uint8Array[] = [];
  #posting: Promise<void> | undefined;

  constructor(url: string, over: () => void) {
    this.#url = url;
    this.#over = over;
    this.#page.promise.catch(() => undefined); // told by #failed
    this.#listen().catch((error: unknown) => this.#failed(error));
  }

  async serve(transport: string, opened: LinkOpened): Promise<ServedTransport> {
    const number = ++this.#last;
    const served: Served = { opened, links: new Map(), ready: Promise.withResolvers(), ended: Promise.withResolvers() };
    this.#served.set(number, served);
    void this.#tell({ served: number, kind: "serve", transport });
    const end = (): void => {
      this.#served.delete(number);
      if (this.#served.size > 0) return;
      this.#over();
      this.#ending.abort(); // the relay ends whatever is left when its listener has gone
    };
    try {
      const { url, path } = await served.ready.promise;
      return {
        endpoint: { url, path },
        cut: (afterBytes) => this.#tell({ served: number, kind: "cut", afterBytes }),
        [Symbol.asyncDispose]: async () => {
          void this.#tell({ served: number, kind: "end" });
          await served.ended.promise;
          end();
        },
      };
    } catch (error) {
      end();
      throw error;
    }
  }

  async #listen(): Promise<void> {
    const { ok, status, body } = await fetch(`${this.#url}/events`, { signal: this.#ending.signal });
    if (!ok || body === null) throw new Error(`the relay answered ${status}`);
    const reader = new MessageReader<RelayEvent>();
    const stream = body.getReader();
    for (let chunk = await stream.read(); !chunk.done; chunk = await stream.read()) {
      for (const { head, bytes } of reader.read(chunk.value)) this.#happened(head, bytes);
    }
    throw new Error("the relay ended");
  }

  /** Commands leave in order: one request at a time, each with all that has come together. Resolves when this one was obeyed. */
  readonly #tell = (command: RelayCommand, bytes?: Uint8Array): Promise<void> => {
    this.#waiting.push(encodeMessage(command, bytes));
    this.#posting ??= this.#post()
      .catch((error: unknown) => this.#failed(error))
      .finally(() => (this.#posting = undefined));
    return this.#posting;
  };

  async #post(): Promise<void> {
    const page = await this.#page.promise;
    while (this.#waiting.length > 0) {
      const messages = this.#waiting;
      this.#waiting = [];
      const body = joined(
        messages,
        messages.reduce((sum, message) => sum + message.length, 0),
      );
      const { ok, status } = await fetch(`${this.#url}/commands?page=${page}`, { method: "POST", body });
      if (!ok) throw new Error(`the relay answered ${status}`);
    }
  }

  #failed(why: unknown): void {
    const error = fail("link_closed", { transport: "relay", detail: why instanceof Error ? why.message : String(why) });
    this.#over();
    this.#page.reject(error);
    for (const { links, ready, ended } of this.#served.values()) {
      ready.reject(error);
      ended.resolve();
      for (const link of links.values())
        link.happened({ link: 0, kind: "closed", error: relayedError(error) }, new Uint8Array(0));
      links.clear();
    }
  }

  #happened(event: RelayEvent, bytes: Uint8Array): void {
    if (event.kind === "page") return this.#page.resolve(event.page);
    const served = this.#served.get(event.served);
    if (served === undefined) return;
    switch (event.kind) {
      case "served":
        return served.ready.resolve(event);
      case "refused":
        return served.ready.reject(fail("transport_failed", { transport: "relay", detail: event.detail }));
      case "ended":
        return served.ended.resolve();
      case "opened": {
        const link = new RelayedLink(
          event,
          (command, batch) => void this.#tell({ ...command, served: event.served }, batch),
        );
        served.links.set(event.link, link);
        return link.open(served.opened);
      }
      default:
        served.links.get(event.link)?.happened(event, bytes);
        if (event.kind === "closed") served.links.delete(event.link);
    }
  }
}

class RelayedLink implements Link {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly #number: number;
  readonly #tell: (command: LinkCommand, bytes?: Uint8Array) => void;
  #receiver!: LinkReceiver; // from `open` on
  /** Bytes on their way to the far link, and bytes that it holds. */
  #onTheWay = 0;
  #far = 0;
  #farHasRoom = true;
  #full = false;
  #over = false;
  #paused = false;
  /** What came while paused, since the far link hears of a pause a little later; and whether a good end came behind it. */
  #held: Uint8Array[] = [];
  #endHeld = false;
  #givenToClose: { readonly error: ConnectError | undefined } | undefined;

  constructor(event: LinkEvent & { kind: "opened" }, tell: (command: LinkCommand, bytes?: Uint8Array) => void) {
    this.#number = event.link;
    this.#tell = tell;
    this.transport = event.transport;
    this.traits = event.traits;
    this.peer = { address: event.address, secure: event.secure, header: () => undefined };
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this);
  }

  get buffered(): number {
    return this.#onTheWay + this.#far;
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    const batch = joined(
      parts,
      parts.reduce((sum, part) => sum + part.length, 0),
    );
    this.#onTheWay += batch.length;
    this.#tell({ kind: "send", link: this.#number }, batch);
    this.#full = !this.#farHasRoom || this.#onTheWay > HIGH_WATER;
    return !this.#full;
  }

  pause(): void {
    if (this.#over) return;
    this.#paused = true;
    this.#tell({ kind: "pause", link: this.#number });
  }

  resume(): void {
    if (this.#over) return;
    this.#paused = false;
    this.#tell({ kind: "resume", link: this.#number });
    setTimeout(() => this.#release());
  }

  close(error?: ConnectError): void {
    if (this.#over) return;
    this.#over = true;
    this.#givenToClose = { error };
    if (this.#endHeld) setTimeout(() => this.#closed(undefined)); // the far link is over and answers nothing
    this.#tell({ kind: "close", link: this.#number, error: relayedError(error) });
  }

  happened(event: LinkEvent, bytes: Uint8Array): void {
    switch (event.kind) {
      case "batch":
        this.#held.push(bytes);
        this.#release();
        break;
      case "empty":
        this.#far = 0;
        break;
      case "drain":
        this.#farHasRoom = true;
        this.#drain();
        break;
      case "sent":
        this.#onTheWay -= event.bytes;
        this.#far = event.buffered;
        this.#farHasRoom = event.room;
        this.#drain();
        break;
      case "closed":
        if (event.error === undefined && !this.#over) {
          this.#endHeld = true; // behind what was sent before
          this.#release();
        } else this.#closed(event.error);
        break;
      case "opened": // once, before
    }
  }

  #release(): void {
    while (!this.#paused && !this.#over) {
      const bytes = this.#held.shift();
      if (bytes === undefined) break;
      this.#receiver.batch(bytes);
    }
    if (this.#endHeld && !this.#paused && !this.#over) this.#closed(undefined);
  }

  #closed(error: RelayedError | undefined): void {
    this.#over = true;
    this.#onTheWay = this.#far = 0;
    // The very error that was given to close, if it was that one which ended the link.
    const given = this.#givenToClose;
    const same = given !== undefined && given.error?.rawMessage === error?.message;
    this.#receiver.closed(same ? given.error : errorFrom(error));
  }

  #drain(): void {
    if (!this.#full || this.#over || !this.#farHasRoom || this.#onTheWay > HIGH_WATER / 2) return;
    this.#full = false;
    this.#receiver.drain();
  }
}
