// One link of the poll transport on the server: takes numbered requests, and answers them with what waits to be sent.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE, type Clock, fail, type HttpExchange, type Link, type LinkOpened, type LinkReceiver, type LinkTraits, type Peer, readBatches, readReason, reasonOf,
  refuseExchange, takeBatches, TEXT_BATCHES_TYPE, type Timer, type TransportHost, type WaitingBatch, writeBatches, writeReason,
} from "@raceway/core"; // prettier-ignore
import type { ResolvedPollServer } from "./options.ts";
import {
  CLOSE_HEADER,
  HIGH_WATER_BYTES,
  LINK_HEADER,
  PAUSE_HEADER,
  type PollHead,
  TRANSPORT,
  WINDOW,
} from "./protocol.ts";

/** A request that has come in whole. */
export interface Arrival {
  readonly exchange: HttpExchange;
  readonly head: PollHead;
  /** For the answer: who may read it. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** The client closes the link: "" in good order, else why. */
  readonly close: string | undefined;
}
/** A request that waits for its answer. */
interface Held {
  readonly arrival: Arrival;
  readonly until: number;
}
/** An answer, kept until the client says that it has it. */
interface Answer {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
}

/** Announced intervals count up to this: a browser wakes a page in the background once a minute. */
const LONGEST_NEXT_MS = 75_000;
/** A timer that fires later than this, in milliseconds, says that this process was asleep. */
const LATE_MS = 1_000;
/** Bytes that may wait for a paused receiver before requests go unanswered; a client that heeds the pause stays below. */
const PATIENT_BYTES = 4_194_304;

/** The body made last, and of what: all who wait for the same publication get the same. */
let lastParts: readonly Uint8Array[] | undefined;
let lastText = false;
let lastBody: Uint8Array = new Uint8Array(0);

function bodyOf(batches: readonly WaitingBatch[], text: boolean): Uint8Array {
  if (batches.length !== 1) return batches.length === 0 ? NOTHING : writeBatches(batches, text);
  const { parts } = batches[0]!;
  if (parts === lastParts && text === lastText) return lastBody;
  const body = writeBatches(batches, text);
  if (body.byteLength <= HIGH_WATER_BYTES) {
    lastParts = parts;
    lastText = text;
    lastBody = body;
  }
  return body;
}
const NOTHING = new Uint8Array(0);

export class ServerLink implements Link {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly text: boolean;
  /** The client's own name of the link, until it has used the server's. */
  opening: string | undefined;
  buffered = 0;
  readonly #name: string;
  readonly #clock: Clock;
  readonly #options: ResolvedPollServer;
  readonly #maxBatchBytes: number;
  readonly #forget: () => void;
  #receiver!: LinkReceiver; // from `open` on

  // Up
  /** Number of the request that comes next. */
  #next = 1;
  /** A request that overtook the one before it. */
  #early: Arrival | undefined;
  /** Batches for the receiver; "end" stands behind the last one of a link that the client closed in good order. */
  #inbox: (Uint8Array | "end")[] = [];
  #inboxBytes = 0;
  #paused = false;
  #toldPause = false;

  // Down
  readonly #queue: WaitingBatch[] = [];
  #full = false;
  #held: Held[] = [];
  readonly #answers = new Map<number, Answer>();
  #flushing = false;

  // End
  /** "closing": closed by this end in good order, with something left to send. "over": nothing goes in or out, answers are repeated. */
  #state: "open" | "closing" | "over" = "open";
  /** What the client is told, from `close` on. */
  #closing: string | undefined;
  #graceMs: number;
  #heardAt: number;
  #timer: Timer | undefined;
  #timerAt = Infinity;

  constructor(
    host: TransportHost,
    options: ResolvedPollServer,
    first: Arrival,
    link: { readonly name: string; readonly opening: string; readonly text: boolean },
    forget: () => void,
  ) {
    const { head } = first;
    this.traits = {
      binary: !link.text,
      duplex: false,
      push: head.nextMs === 0,
      maxBatchBytes: Math.min(host.maxBatchBytes, head.maxBytes),
    };
    this.peer = first.exchange.peer;
    this.text = link.text;
    this.opening = link.opening;
    this.#name = link.name;
    this.#clock = host.clock;
    this.#options = options;
    this.#maxBatchBytes = host.maxBatchBytes;
    this.#forget = forget;
    this.#graceMs = options.graceMs;
    this.#heardAt = host.clock.now();
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this);
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
    if (this.#held.length > 0) this.#flushSoon();
    return !this.#full;
  }
  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    if (this.#inbox.length > 0 || this.#toldPause) this.#flushSoon();
  }
  close(error?: ConnectError): void {
    if (this.#state !== "open") return;
    this.#closing = writeReason(error);
    if (error !== undefined || this.#queue.length === 0) this.#die(error);
    else this.#state = "closing";
    this.#flushSoon();
  }

  // ---- as the transport uses it

  /** Ends the link for good, as with the server: whoever waits is told, nothing is kept. */
  end(error: ConnectError): void {
    this.#closing ??= writeReason(error);
    this.#die(error);
    while (this.#held.length > 0) this.#answer(this.#held.shift()!);
    this.#timer?.[Symbol.dispose]();
  }

  /** A request of this link. */
  take(arrival: Arrival): void {
    const { head } = arrival;
    this.#heardAt = this.#clock.now();
    this.#graceMs = this.#options.graceMs + Math.min(head.nextMs * 1.2, LONGEST_NEXT_MS);
    for (const number of this.#answers.keys()) if (number <= head.received) this.#answers.delete(number);
    if (arrival.close !== undefined && arrival.close !== "") {
      this.#die(
        fail("link_closed", { transport: TRANSPORT, detail: `the client closed it: ${readReason(arrival.close)}` }),
      );
      this.#closing ??= "";
      this.#held.push({ arrival, until: 0 });
      return this.#flushSoon();
    }
    if (head.number < this.#next) return this.#repeat(arrival);
    if (head.number > head.received + WINDOW || head.number > this.#next + 1)
      return this.#violated(
        arrival,
        fail("request_malformed", { transport: TRANSPORT, detail: "requests are not in order" }),
      );
    if (head.number > this.#next) {
      if (this.#early !== undefined) supersede(this.#early);
      this.#early = arrival;
      return this.#arm();
    }
    this.#accept(arrival);
    const early = this.#early;
    if (early !== undefined && this.#next === early.head.number) {
      this.#early = undefined;
      this.#accept(early);
    }
    this.#deliver();
    // Who is asked for an answer now gets it at the end of the loop's turn, together with what this request brings about.
    if (
      this.#queue.length > 0 ||
      this.#held.length > 1 ||
      this.#state !== "open" ||
      this.#held[0]!.until <= this.#heardAt
    )
      this.#flushSoon();
    else this.#arm();
  }

  #accept(arrival: Arrival): void {
    const { head } = arrival;
    if (this.#state === "open" && arrival.body.byteLength > 0) {
      try {
        for (const batch of readBatches(arrival.body, this.text, this.#maxBatchBytes, TRANSPORT)) {
          this.#inbox.push(batch);
          this.#inboxBytes += batch.byteLength;
        }
      } catch (error) {
        return this.#violated(arrival, error as ConnectError);
      }
    }
    this.#next = head.number + 1;
    if (arrival.close === "") this.#inbox.push("end");
    this.#held.push({ arrival, until: this.#heardAt + Math.min(head.holdMs, this.#options.holdMs) });
  }

  /** Its number was there before: the answer was lost, or the connection under it. */
  #repeat(arrival: Arrival): void {
    const { number } = arrival.head;
    const answer = this.#answers.get(number);
    if (answer !== undefined)
      return arrival.exchange.reply(200, { ...answer.headers, ...arrival.headers }, answer.body);
    const at = this.#held.findIndex((held) => held.arrival.head.number === number);
    if (at < 0) return supersede(arrival); // its answer has been received
    const before = this.#held[at]!;
    this.#held[at] = { arrival, until: Math.min(before.until, this.#heardAt + arrival.head.holdMs) };
    supersede(before.arrival);
    this.#arm();
  }

  /** The client does not keep to the protocol. */
  #violated(arrival: Arrival, error: ConnectError): void {
    refuseExchange(
      arrival.exchange,
      reasonOf(error) === "batch_too_large" ? "resource_exhausted" : "invalid_argument",
      error.rawMessage,
      arrival.headers,
    );
    this.#closing ??= writeReason(error);
    this.#die(error);
    this.#flushSoon();
  }

  #deliver(): void {
    while (!this.#paused && this.#state === "open") {
      const item = this.#inbox.shift();
      if (item === undefined) return;
      if (item === "end") {
        this.#closing = "";
        return this.#die(undefined);
      }
      this.#inboxBytes -= item.byteLength;
      this.#receiver.batch(item);
    }
  }

  #flushSoon(): void {
    if (this.#flushing) return;
    this.#flushing = true;
    this.#clock.loopEnd(this.#flush);
  }
  readonly #flush = (): void => {
    this.#flushing = false;
    this.#deliver();
    if (this.#inboxBytes > PATIENT_BYTES && this.#state === "open") return this.#arm();
    while (this.#held.length > 1) this.#answer(this.#held.shift()!);
    const [held] = this.#held;
    if (held !== undefined) {
      const says = this.#queue.length > 0 && held.arrival.head.takes;
      const resumed = this.#toldPause && !this.#paused;
      if (says || resumed || this.#closing !== undefined || this.#clock.now() >= held.until) {
        this.#held = [];
        this.#answer(held);
      }
    }
    if (this.#held.length === 0) this.#heardAt = this.#clock.now(); // from here on the next request is awaited
    this.#arm();
    if (this.#full && this.#state === "open" && this.buffered <= HIGH_WATER_BYTES) {
      this.#full = false;
      this.#receiver.drain();
    }
  };

  #answer({ arrival }: Held): void {
    const { head } = arrival;
    const batches = head.takes ? takeBatches(this.#queue) : [];
    for (const batch of batches) this.buffered -= batch.bytes;
    const headers: Record<string, string> = {
      "content-type": this.text ? TEXT_BATCHES_TYPE : BATCHES_TYPE,
      "cache-control": "no-store",
    };
    if (head.number === 1) headers[LINK_HEADER] = this.#name;
    this.#toldPause = this.#paused && this.#inbox.length > 0;
    if (this.#toldPause) headers[PAUSE_HEADER] = "1";
    if (this.#closing !== undefined && this.#queue.length === 0) {
      headers[CLOSE_HEADER] = this.#closing;
      this.#die(undefined); // all has been sent
    }
    const answer = { headers, body: bodyOf(batches, this.text) };
    this.#answers.set(head.number, answer);
    arrival.exchange.reply(200, { ...headers, ...arrival.headers }, answer.body);
  }

  /** The link is over. Its answers are repeated for a while, and late requests are told. */
  #die(error: ConnectError | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#queue.length = 0;
    this.buffered = 0;
    this.#inbox = [];
    this.#inboxBytes = 0;
    if (this.#early !== undefined) {
      this.#held.push({ arrival: this.#early, until: 0 });
      this.#early = undefined;
      this.#flushSoon();
    }
    this.#clock.turnEnd(() => this.#receiver.closed(error));
  }

  // ---- time

  /** Sets the timer to what comes first: the end of a hold, or of patience with a client that does not ask any more. */
  #arm(): void {
    const at = this.#held.length > 0 ? this.#held[0]!.until : this.#heardAt + this.#graceMs;
    if (this.#timerAt <= at) return; // it looks again when it fires
    this.#timer?.[Symbol.dispose]();
    this.#timerAt = at;
    this.#timer = this.#clock.after(Math.max(0, at - this.#clock.now()), this.#look);
  }
  readonly #look = (): void => {
    const now = this.#clock.now();
    if (now - this.#timerAt > LATE_MS) this.#heardAt = now; // we were asleep: what came meanwhile is not read yet
    this.#timerAt = Infinity;
    if (this.#held.length > 0) {
      if (now >= this.#held[0]!.until) return this.#flush();
    } else if (now >= this.#heardAt + this.#graceMs) {
      if (this.#early !== undefined) supersede(this.#early);
      this.#die(fail("link_silent", { ms: Math.round(now - this.#heardAt) }));
      return this.#forget();
    }
    this.#arm();
  };
}

/** Answers a request that has been taken over by another one with its number. */
function supersede(arrival: Arrival): void {
  arrival.exchange.reply(409, { ...arrival.headers, "cache-control": "no-store" });
}
