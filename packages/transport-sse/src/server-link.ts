// One link of the SSE transport on the server: a stream down, and numbered requests up.
import type { ConnectError } from "@connectrpc/connect";
import {
  type Clock, fail, type HttpExchange, type Link, type LinkOpened, type LinkReceiver, type LinkTraits, type Peer, readBatches, readReason, reasonOf, refuseExchange,
  type StreamOut, type StreamSink, type Timer, type TransportHost, writeReason,
} from "@raceway/core"; // prettier-ignore
import { binaryFraming, type Framing, textFraming } from "./framing.ts";
import { BINARY_STREAM, CLOSE_MS, HIGH_WATER_BYTES, TEXT_STREAM, TRANSPORT } from "./protocol.ts";

/** A request up that has come in whole. */
export interface Upward {
  readonly exchange: HttpExchange;
  /** For the answer: who may read it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly number: number;
  readonly body: Uint8Array;
  /** The client closes the link: "" in good order, else why. */
  readonly close: string | undefined;
}

export class ServerLink implements Link, StreamSink {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly text: boolean;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #maxBatchBytes: number;
  readonly #framing: Framing;
  readonly #gone: () => void;
  #out!: StreamOut; // from `open` on
  #receiver!: LinkReceiver; // from `open` on

  /** Number of the last request up that was taken. */
  #taken = 0;
  /** A request up that is answered when its batches have been delivered. */
  #pending: Upward | undefined;
  /** Batches for the receiver; "end" stands behind the last one of a link that the client closed in good order. */
  #inbox: (Uint8Array | "end")[] = [];
  #paused = false;
  #resuming = false;
  #full = false;
  /** Something was written since the last look. */
  #spoke = true;
  /** "closing": closed by this end in good order, and the stream has not ended yet. */
  #state: "open" | "closing" | "over" = "open";
  #cutTimer: Timer | undefined;

  constructor(
    host: TransportHost,
    peer: Peer,
    link: { readonly name: string; readonly text: boolean; readonly maxBatchBytes: number },
    gone: () => void,
  ) {
    this.traits = {
      binary: !link.text,
      duplex: false,
      push: true,
      maxBatchBytes: Math.min(host.maxBatchBytes, link.maxBatchBytes),
    };
    this.peer = peer;
    this.text = link.text;
    this.#name = link.name;
    this.#clock = host.clock;
    this.#maxBatchBytes = host.maxBatchBytes;
    this.#framing = link.text ? textFraming : binaryFraming;
    this.#gone = gone;
  }

  /** Begins the stream, hands the link over, and takes what the opening carried. */
  open(exchange: HttpExchange, headers: Readonly<Record<string, string>>, opened: LinkOpened, body: Uint8Array): void {
    const batches = this.#read(body);
    if (!Array.isArray(batches)) {
      this.#state = "over";
      this.#gone();
      return refuseMalformed(exchange, headers, batches);
    }
    this.#out = exchange.stream(
      200,
      {
        ...headers,
        "content-type": this.text ? TEXT_STREAM : BINARY_STREAM,
        "cache-control": "no-store, no-transform",
        "x-accel-buffering": "no", // nginx keeps streams back without it
      },
      this,
    );
    this.#out.write(this.#framing.opening(this.#name));
    this.#receiver = opened(this);
    this.#inbox.push(...batches);
    this.#deliver();
  }

  // ---- as the session uses it

  get buffered(): number {
    return this.#state === "over" ? 0 : this.#out.buffered;
  }
  send(parts: readonly Uint8Array[]): boolean {
    if (this.#state !== "open") return false;
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    if (bytes === 0) return !this.#full;
    this.#spoke = true;
    if (!this.#out.write(this.#framing.batch(parts, bytes))) this.#full = true;
    return !this.#full;
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#resuming) return;
    this.#resuming = true;
    this.#clock.turnEnd(() => {
      this.#resuming = false;
      this.#deliver();
    });
  }
  close(error?: ConnectError): void {
    if (this.#state !== "open") return;
    this.#out.write(this.#framing.close(writeReason(error)));
    this.#out.end();
    this.#cutTimer = this.#clock.after(CLOSE_MS, () => this.#out.destroy());
    if (error === undefined) this.#state = "closing"; // until the client has taken what was said, or cannot
    else this.#die(error);
  }

  // ---- as the stream uses it

  drain(): void {
    if (!this.#full || this.#state !== "open" || this.#out.buffered > HIGH_WATER_BYTES) return;
    this.#full = false;
    this.#receiver.drain();
  }
  closed(): void {
    this.#cutTimer?.[Symbol.dispose]();
    if (this.#state === "closing") this.#die(undefined);
    // If the client has closed in good order, what it said before waits for a receiver that is paused.
    else if (this.#state === "open" && this.#inbox.at(-1) !== "end")
      this.#die(fail("link_closed", { transport: TRANSPORT, detail: "the stream was cut" }));
    this.#gone();
  }
  /** Called twice in the time within which the link must say something. */
  keepAlive(): void {
    if (!this.#spoke && this.#state === "open") {
      this.#out.write(this.#framing.alive);
      this.#spoke = true;
    } else this.#spoke = false;
  }

  // ---- up

  take(up: Upward): void {
    if (up.close !== undefined && up.close !== "") {
      reply(up);
      if (this.#state === "open") this.#out.end();
      return this.#die(
        fail("link_closed", { transport: TRANSPORT, detail: `the client closed it: ${readReason(up.close)}` }),
      );
    }
    if (up.number === this.#taken) {
      // The answer was lost, or has not been given yet.
      const before = this.#pending;
      if (before === undefined) return reply(up);
      this.#pending = up;
      return before.exchange.reply(409, before.headers);
    }
    const batches =
      up.number === this.#taken + 1
        ? this.#read(up.body)
        : fail("request_malformed", { transport: TRANSPORT, detail: "requests are not in order" });
    if (!Array.isArray(batches)) {
      refuseMalformed(up.exchange, up.headers, batches);
      return this.close(batches);
    }
    this.#taken = up.number;
    if (this.#state !== "open") return reply(up); // it has been closed; nobody wants it
    this.#pending = up;
    this.#inbox.push(...batches);
    if (up.close === "") this.#inbox.push("end");
    this.#deliver();
  }

  #read(body: Uint8Array): Uint8Array[] | ConnectError {
    try {
      return readBatches(body, this.text, this.#maxBatchBytes, TRANSPORT);
    } catch (error) {
      return error as ConnectError;
    }
  }

  #deliver(): void {
    while (!this.#paused && this.#state === "open") {
      const item = this.#inbox.shift();
      if (item === undefined) break;
      if (item === "end") {
        this.#out.write(this.#framing.close("")); // so that the client knows, should it hear of it here first
        this.#out.end();
        this.#die(undefined);
        break;
      }
      this.#receiver.batch(item);
    }
    if (this.#inbox.length > 0 && this.#state === "open") return; // unanswered: the client sends nothing more
    this.#answer();
  }
  #answer(): void {
    if (this.#pending === undefined) return;
    reply(this.#pending);
    this.#pending = undefined;
  }

  #die(error: ConnectError | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#inbox = [];
    this.#answer();
    this.#gone();
    this.#clock.turnEnd(() => this.#receiver.closed(error));
  }
}

function reply({ exchange, headers }: Upward): void {
  exchange.reply(204, headers);
}
function refuseMalformed(exchange: HttpExchange, headers: Readonly<Record<string, string>>, error: ConnectError): void {
  refuseExchange(
    exchange,
    reasonOf(error) === "batch_too_large" ? "resource_exhausted" : "invalid_argument",
    error.rawMessage,
    headers,
  );
}
