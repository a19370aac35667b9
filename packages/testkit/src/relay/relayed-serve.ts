// Server transports that run elsewhere, usually in Node while this is a page: their links are worked from here as if they were ours.
import type { ConnectError } from "@connectrpc/connect";
import { fail, type Link, type LinkOpened, type LinkReceiver, type LinkTraits, type Peer } from "@raceway/core";
import type { ServedTransport } from "../transport-subject.ts";
import { encodeMessage, errorFrom, joined, MessageReader, relayedError, type RelayCommand, type RelayEvent } from "./wire.ts";

/** Bytes given to the relay and not yet to the far link above which a relayed link says stop. */
const HIGH_WATER = 65_536;

/** Gives the `serve` of a transport subject, for a transport that the relay at this URL knows by this name. */
export function relayedServe(relayUrl: string, transport: string): (opened: LinkOpened) => Promise<ServedTransport> {
  return async (opened) => {
    const ending = new AbortController();
    const events = await fetch(`${relayUrl}/serve?transport=${encodeURIComponent(transport)}`, { signal: ending.signal });
    if (!events.ok || events.body === null) throw fail("transport_failed", { transport, detail: `the relay answered ${events.status} ${await events.text()}` });
    const served = Promise.withResolvers<RelayEvent & { kind: "served" }>();
    const relay = new Relay(relayUrl, opened, served.resolve);
    const over = relay.listen(events.body).catch((error: unknown) => {
      if (!ending.signal.aborted) relay.failed(error);
      served.reject(error instanceof Error ? error : new Error(String(error)));
    });
    const { url, path } = await served.promise;
    return {
      endpoint: { url, path },
      cut: (afterBytes) => relay.tell({ kind: "cut", afterBytes }),
      async [Symbol.asyncDispose]() {
        await relay.flushed();
        ending.abort(); // the relay stops serving when its listener has gone
        await over;
      },
    };
  };
}

/** All links of one served transport. */
class Relay {
  readonly #url: string;
  readonly #opened: LinkOpened;
  readonly #served: (event: RelayEvent & { kind: "served" }) => void;
  readonly #links = new Map<number, RelayedLink>();
  #id = 0;
  #waiting: Uint8Array[] = [];
  #posting: Promise<void> | undefined;

  constructor(url: string, opened: LinkOpened, served: (event: RelayEvent & { kind: "served" }) => void) {
    this.#url = url;
    this.#opened = opened;
    this.#served = served;
  }

  async listen(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = new MessageReader<RelayEvent>();
    const stream = body.getReader();
    for (let chunk = await stream.read(); !chunk.done; chunk = await stream.read()) {
      for (const { head, bytes } of reader.read(chunk.value)) this.#happened(head, bytes);
    }
    this.failed("the relay ended");
  }

  /** Commands leave in order: one request at a time, each with all that has come together. Resolves when this one has arrived. */
  tell(command: RelayCommand, bytes?: Uint8Array): Promise<void> {
    this.#waiting.push(encodeMessage(command, bytes));
    this.#posting ??= Promise.resolve()
      .then(() => this.#post())
      .catch((error: unknown) => this.failed(error))
      .finally(() => (this.#posting = undefined));
    return this.#posting;
  }

  async flushed(): Promise<void> {
    await this.#posting;
  }

  failed(why: unknown): void {
    const error = fail("link_closed", { transport: "relay", detail: String(why) });
    for (const link of this.#links.values()) link.happened({ kind: "closed", link: 0, error: relayedError(error) }, new Uint8Array(0));
    this.#links.clear();
  }

  async #post(): Promise<void> {
    while (this.#waiting.length > 0) {
      const messages = this.#waiting;
      this.#waiting = [];
      const body = joined(messages, messages.reduce((sum, message) => sum + message.length, 0));
      const { ok, status } = await fetch(`${this.#url}/commands?served=${this.#id}`, { method: "POST", body });
      if (!ok) throw new Error(`the relay answered ${status}`);
    }
  }

  #happened(event: RelayEvent, bytes: Uint8Array): void {
    if (event.kind === "served") {
      this.#id = event.id;
      this.#served(event);
    } else if (event.kind === "opened") {
      const link = new RelayedLink(event, (command, batch) => void this.tell(command, batch));
      this.#links.set(event.link, link);
      link.open(this.#opened);
    } else {
      this.#links.get(event.link)?.happened(event, bytes);
      if (event.kind === "closed") this.#links.delete(event.link);
    }
  }
}

class RelayedLink implements Link {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly #number: number;
  readonly #tell: (command: RelayCommand, bytes?: Uint8Array) => void;
  #receiver!: LinkReceiver; // from `open` on
  /** Bytes on their way to the far link, and bytes that it holds. */
  #onTheWay = 0;
  #far = 0;
  #farHasRoom = true;
  #full = false;
  #over = false;
  #givenToClose: { readonly error: ConnectError | undefined } | undefined;

  constructor(event: RelayEvent & { kind: "opened" }, tell: (command: RelayCommand, bytes?: Uint8Array) => void) {
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
    const batch = joined(parts, parts.reduce((sum, part) => sum + part.length, 0));
    this.#onTheWay += batch.length;
    this.#tell({ kind: "send", link: this.#number }, batch);
    this.#full = !this.#farHasRoom || this.#onTheWay > HIGH_WATER;
    return !this.#full;
  }

  pause(): void {
    if (!this.#over) this.#tell({ kind: "pause", link: this.#number });
  }

  resume(): void {
    if (!this.#over) this.#tell({ kind: "resume", link: this.#number });
  }

  close(error?: ConnectError): void {
    if (this.#over) return;
    this.#over = true;
    this.#givenToClose = { error };
    this.#tell({ kind: "close", link: this.#number, error: relayedError(error) });
  }

  happened(event: RelayEvent, bytes: Uint8Array): void {
    switch (event.kind) {
      case "batch":
        this.#receiver.batch(bytes);
        return;
      case "empty":
        this.#far = 0;
        return;
      case "drain":
        this.#farHasRoom = true;
        this.#drain();
        return;
      case "sent":
        this.#onTheWay -= event.bytes;
        this.#far = event.buffered;
        this.#farHasRoom = event.room;
        this.#drain();
        return;
      case "closed": {
        this.#over = true;
        this.#onTheWay = this.#far = 0;
        // The very error that was given to close, if it was that one which ended the link.
        const given = this.#givenToClose;
        const same = given !== undefined && given.error?.rawMessage === event.error?.message;
        this.#receiver.closed(same ? given.error : errorFrom(event.error));
        return;
      }
      case "served":
      case "opened":
    }
  }

  #drain(): void {
    if (!this.#full || this.#over || !this.#farHasRoom || this.#onTheWay > HIGH_WATER / 2) return;
    this.#full = false;
    this.#receiver.drain();
  }
}
