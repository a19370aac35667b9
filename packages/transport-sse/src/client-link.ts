// One link of the SSE transport on the client: a stream down, and numbered requests up, one at a time.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE, type Endpoint, fail, fetchFailure, type Host, isLinkName, type Link, linkName, type LinkOpened, type LinkReceiver, type LinkTraits, mayPass, type Peer,
  readReason, readRefusal, takeBatches, TEXT_BATCHES_TYPE, type Timer, type WaitingBatch, writeBatches, writeReason,
} from "@raceway/core"; // prettier-ignore
import { downByFetch } from "./down-fetch.ts";
import { downBySource, type EventSourceConstructor } from "./down-source.ts";
import type { Down, DownSink } from "./down.ts";
import type { ResolvedSseClient } from "./options.ts";
import {
  BINARY_STREAM,
  CLOSE_HEADER,
  CLOSE_MS,
  HIGH_WATER_BYTES,
  LINK_HEADER,
  MAX_HEADER,
  OPEN_HEADER,
  TEXT_STREAM,
  TRANSPORT,
  UP_HEADER,
} from "./protocol.ts";

export interface ClientLinkHost {
  readonly host: Host;
  readonly options: ResolvedSseClient;
  readonly traits: LinkTraits;
  readonly endpoint: Endpoint;
  readonly fetch: typeof fetch;
  /** The stream is read by this; undefined: by `fetch`. */
  readonly Source: EventSourceConstructor | undefined;
}

/** A request up, with all it takes to repeat it. */
interface Upward {
  readonly number: number;
  readonly body: Uint8Array;
  readonly close: string | undefined;
  tries: number;
}

/** The server knows no such link any more: the stream will say why, if it gets the chance within so long. */
const VERDICT_MS = 2_000;
/** Bodies up to this size may be sent while the page goes away. */
const KEEPALIVE_BYTES = 60_000;
/** Bytes that may wait for a paused receiver where the stream cannot be paused. */
const PATIENT_BYTES = 8_388_608;

/** A timer that fires later than this, in milliseconds, says that this process was asleep. */
const LATE_MS = 1_000;

export class ClientLink implements Link, DownSink {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  buffered = 0;
  readonly #host: Host;
  readonly #options: ResolvedSseClient;
  readonly #fetch: typeof fetch;
  readonly #Source: EventSourceConstructor | undefined;
  readonly #url: string;
  readonly #text: boolean;
  #receiver!: LinkReceiver; // from `open` on

  // Down
  #down: Down | undefined;
  #name: string | undefined;
  /** Batches for the receiver; "end" stands behind the last one of a link that the server closed in good order. */
  #inbox: (Uint8Array | "end")[] = [];
  #inboxBytes = 0;
  #paused = false;
  #heardAt = 0;
  #silence: Timer | undefined;

  // Up
  readonly #queue: WaitingBatch[] = [];
  #full = false;
  #next = 1;
  #up: Upward | undefined;
  #upController: AbortController | undefined;
  #upTimer: Timer | undefined;
  #pumping = false;

  // End
  #state: "open" | "closing" | "over" = "open";
  #endTimer: Timer | undefined;

  constructor({ host, options, traits, endpoint, fetch, Source }: ClientLinkHost) {
    this.#host = host;
    this.#options = options;
    this.#fetch = fetch;
    this.#Source = Source;
    this.traits = traits;
    this.#url = `${endpoint.url}${endpoint.path}/${TRANSPORT}`;
    this.#text = !traits.binary;
    const { hostname, protocol } = new URL(endpoint.url);
    this.peer = { address: hostname, secure: protocol === "https:", header: () => undefined };
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this);
    this.#pumpSoon();
  }

  // ---- as the session uses it

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#state !== "open") return false;
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    if (bytes === 0) return !this.#full;
    this.#queue.push({ parts, bytes });
    this.buffered += bytes;
    if (this.buffered > HIGH_WATER_BYTES) this.#full = true;
    this.#pumpSoon();
    return !this.#full;
  }
  pause(): void {
    this.#paused = true;
    this.#down?.pause();
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#heardAt = this.#host.clock.now(); // we did not listen
    this.#pumpSoon();
  }
  close(error?: ConnectError): void {
    if (this.#state !== "open") return;
    if (error !== undefined) {
      if (this.#name !== undefined) this.#tell(error);
      this.#die(error);
    } else if (this.#down === undefined && this.#queue.length === 0) {
      this.#die(undefined); // the server has never heard of it
    } else {
      this.#state = "closing";
      this.#endTimer = this.#host.clock.after(CLOSE_MS, () => this.#die(undefined));
      this.#pumpSoon();
    }
  }

  // ---- as the stream uses it

  heard(): void {
    this.#heardAt = this.#host.clock.now();
    if (this.#state !== "over") this.#receiver.heard?.();
  }
  named(name: string): void {
    if (this.#name !== undefined || this.#state === "over") return;
    if (!isLinkName(name))
      return this.failed(
        fail("request_malformed", { transport: TRANSPORT, detail: "the stream gives the link no name" }),
      );
    this.#name = name;
    this.#pumpSoon();
  }
  batch(bytes: Uint8Array): void {
    if (this.#state !== "open") return;
    const { maxBatchBytes } = this.traits;
    if (bytes.byteLength > maxBatchBytes)
      return this.failed(fail("batch_too_large", { bytes: bytes.byteLength, limit: maxBatchBytes }));
    if (!this.#paused && this.#inbox.length === 0) return this.#receiver.batch(bytes);
    this.#inbox.push(bytes);
    this.#inboxBytes += bytes.byteLength;
    if (this.#inboxBytes > PATIENT_BYTES && this.#Source !== undefined)
      this.failed("more came than can be kept for a paused session");
  }
  closed(reason: string): void {
    if (reason !== "")
      return this.#die(
        fail("link_closed", { transport: TRANSPORT, detail: `the server closed it: ${readReason(reason)}` }),
      );
    this.#down?.stop();
    if (this.#state !== "open") return this.#die(undefined);
    this.#inbox.push("end");
    this.#deliver();
  }
  failed(error: Error | string): void {
    if (this.#state === "over" || this.#inbox.at(-1) === "end") return;
    if (typeof error !== "string") return this.#die(error as ConnectError);
    this.#die(
      this.#name === undefined
        ? fail("transport_failed", { transport: TRANSPORT, detail: error })
        : fail("link_closed", { transport: TRANSPORT, detail: error }),
    );
  }

  #deliver(): void {
    while (!this.#paused && this.#state === "open") {
      const item = this.#inbox.shift();
      if (item === undefined) return;
      if (item === "end") return this.#die(undefined);
      this.#inboxBytes -= item.byteLength;
      this.#receiver.batch(item);
    }
  }

  // ---- up

  #pumpSoon(): void {
    if (this.#pumping) return;
    this.#pumping = true;
    this.#host.clock.turnEnd(this.#pump);
  }
  readonly #pump = (): void => {
    this.#pumping = false;
    if (this.#state === "over") return;
    if (!this.#paused) {
      this.#deliver();
      if (!this.#paused) this.#down?.resume();
    }
    if (this.#down === undefined) this.#begin();
    else if (this.#name !== undefined && this.#up === undefined && (this.#queue.length > 0 || this.#isClosing()))
      this.#post();
    if (this.#full && this.#isOpen() && this.buffered <= HIGH_WATER_BYTES) {
      this.#full = false;
      this.#receiver.drain();
    }
  };
  // Methods, since the compiler does not see that a receiver may have closed the link in between.
  #isOpen(): boolean {
    return this.#state === "open";
  }
  #isClosing(): boolean {
    return this.#state === "closing";
  }

  /** Opens the stream. What waits rides on it, if it can. */
  #begin(): void {
    const { credentials, maxBatchBytes, openMs } = this.#options;
    const { clock } = this.#host;
    this.#heardAt = clock.now();
    if (this.#Source !== undefined) {
      this.#down = downBySource(this.#Source, this.#url, credentials, this);
    } else {
      const init = this.#request(
        {
          [OPEN_HEADER]: linkName(this.#host.random),
          [MAX_HEADER]: String(maxBatchBytes),
          accept: this.#text ? TEXT_STREAM : BINARY_STREAM,
        },
        this.#take(),
      );
      this.#down = downByFetch(this.#fetch, this.#url, init, this.#text, maxBatchBytes, this);
    }
    if (this.#paused) this.#down.pause();
    this.#silence = clock.after(openMs, () => {
      if (this.#name === undefined) return this.failed(`no stream began within ${openMs} ms`);
      this.#listen(clock.now());
    });
  }
  /** Watches for silence, with one timer that looks again when something has been heard; `due` is when it should have fired. */
  #listen(due: number): void {
    const { silenceMs } = this.#options;
    const { clock } = this.#host;
    const now = clock.now();
    // We do not listen, or were asleep ourselves: what came meanwhile is not read yet.
    if (this.#paused || now - due > LATE_MS) this.#heardAt = now;
    const quietMs = now - this.#heardAt;
    if (quietMs >= silenceMs) return this.#die(fail("link_silent", { ms: Math.round(quietMs) }));
    this.#silence = clock.after(silenceMs - quietMs, () => this.#listen(now + silenceMs - quietMs));
  }

  #take(): Uint8Array {
    const batches = takeBatches(this.#queue);
    for (const batch of batches) this.buffered -= batch.bytes;
    return writeBatches(batches, this.#text);
  }
  #post(): void {
    const body = this.#take();
    const isLast = this.#state === "closing" && this.#queue.length === 0;
    this.#up = { number: this.#next++, body, close: isLast ? "" : undefined, tries: 0 };
    void this.#try(this.#up);
  }

  /** One try of a request up. Never rejects. */
  async #try(up: Upward): Promise<void> {
    const { clock } = this.#host;
    const { timeoutMs, retries, retryMs } = this.#options;
    const controller = (this.#upController = new AbortController());
    const timer = (this.#upTimer = clock.after(timeoutMs, () => controller.abort()));
    let detail: string;
    let status = 0;
    try {
      const response = await this.#fetch(this.#url, {
        ...this.#request(upHeaders(this.#name!, up), up.body),
        signal: controller.signal,
        keepalive: up.close !== undefined && up.body.byteLength < KEEPALIVE_BYTES,
      });
      status = response.status;
      detail = response.ok ? "" : await readRefusal(response);
      if (response.ok) void response.body?.cancel();
    } catch (error) {
      detail = controller.signal.aborted ? `no answer came within ${timeoutMs} ms` : fetchFailure(error);
    }
    timer[Symbol.dispose]();
    if (this.#state === "over" || this.#upController !== controller) return;
    if (detail === "") return this.#sent(up);
    if (status === 404) {
      this.#endTimer ??= clock.after(VERDICT_MS, () => this.failed(detail));
      return;
    }
    if ((status !== 0 && !mayPass(status)) || up.tries >= retries) return this.failed(detail);
    const jitter = 0.8 + 0.4 * this.#host.random.next();
    this.#upTimer = clock.after(retryMs * 2 ** up.tries++ * jitter, () => void this.#try(up));
  }
  #sent(up: Upward): void {
    this.#up = undefined;
    if (up.close !== undefined) this.#die(undefined);
    else this.#pump();
  }

  /** Lets the server know of a close with an error, without waiting for anything. */
  #tell(error: ConnectError): void {
    const last: Upward = { number: this.#next, body: new Uint8Array(0), close: writeReason(error), tries: 0 };
    this.#fetch(this.#url, { ...this.#request(upHeaders(this.#name!, last), last.body), keepalive: true })
      .then((response) => response.body?.cancel())
      .catch(() => {}); // it will find out by the end of the stream
  }

  #request(headers: Record<string, string>, body: Uint8Array): RequestInit {
    return {
      method: "POST",
      headers: { ...headers, "content-type": this.#text ? TEXT_BATCHES_TYPE : BATCHES_TYPE },
      body: body as Uint8Array<ArrayBuffer>,
      cache: "no-store",
      credentials: this.#options.credentials ? "include" : "same-origin",
      redirect: "error", // a link's name is for this server only
    };
  }

  #die(error: ConnectError | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#queue.length = 0;
    this.buffered = 0;
    this.#inbox = [];
    this.#down?.stop();
    this.#upController?.abort();
    for (const timer of [this.#silence, this.#upTimer, this.#endTimer]) timer?.[Symbol.dispose]();
    this.#host.clock.turnEnd(() => this.#receiver.closed(error));
  }
}

function upHeaders(name: string, { number, close }: Upward): Record<string, string> {
  return {
    [LINK_HEADER]: name,
    [UP_HEADER]: String(number),
    ...(close === undefined ? {} : { [CLOSE_HEADER]: close }),
  };
}
