// One link of the poll transport on the client: numbered requests, at most two under way, repeated when an answer is lost.
// It is long because requests, answers and the link's end are one state machine.
import type { ConnectError } from "@connectrpc/connect";
import {
  BATCHES_TYPE, type Endpoint, fail, fetchFailure, type Host, type Link, type LinkOpened, type LinkReceiver, linkName, type LinkTraits, maxBodyBytes, mayPass, type Peer,
  readAnswer, readBatches, readReason, readRefusal, takeBatches, TEXT_BATCHES_TYPE, type Timer, type WaitingBatch, writeBatches, writeReason,
} from "@raceway/core"; // prettier-ignore
import type { ResolvedPollClient } from "./options.ts";
import {
  CLOSE_HEADER,
  HIGH_WATER_BYTES,
  LINK_HEADER,
  OPEN_HEADER,
  PAUSE_HEADER,
  POLL_HEADER,
  SETTLE_MS,
  TRANSPORT,
  WINDOW,
  writeHead,
} from "./protocol.ts";

export interface ClientLinkHost {
  readonly host: Host;
  readonly options: ResolvedPollClient;
  readonly traits: LinkTraits;
  readonly endpoint: Endpoint;
  readonly fetch: typeof fetch;
}

/** A request under way, with all it takes to repeat it. */
interface Request {
  readonly number: number;
  readonly body: Uint8Array;
  holdMs: number;
  /** The session was not paused when it was made. */
  readonly takes: boolean;
  readonly close: string | undefined;
  tries: number;
  /** It was held for a while and then cut, once. */
  cut: boolean;
  controller: AbortController | undefined;
  timer: Timer | undefined;
}
interface Answer {
  readonly batches: readonly Uint8Array[];
  readonly paused: boolean;
  readonly close: string | undefined;
}

/** After a close in good order the link waits so long for the last answer. */
const CLOSE_MS = 5_000;
/** Longest wait before a repetition, in milliseconds: a server that is not asked for longer takes the link for dead (its `graceMs`). */
const LONGEST_RETRY_MS = 5_000;
/** Slowest way up for which a request has time. */
const SLOW_BYTES_PER_MS = 8;
/** A held request that is cut after at least so long met an impatient proxy, not a dead server. */
const IMPATIENT_MS = 1_000;
/** Bodies up to this size may be sent while the page goes away. */
const KEEPALIVE_BYTES = 60_000;

export class ClientLink implements Link {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  buffered = 0;
  readonly #host: Host;
  readonly #options: ResolvedPollClient;
  readonly #fetch: typeof fetch;
  readonly #url: string;
  readonly #text: boolean;
  /** Our own name of the link, until the server's is known. */
  readonly #opening: string;
  #name: string | undefined;
  #receiver!: LinkReceiver; // from `open` on

  // Up
  readonly #queue: WaitingBatch[] = [];
  #full = false;
  /** The server is paused. */
  #stopped = false;
  #next = 1;
  readonly #requests = new Map<number, Request>();
  #holdMs: number;
  #pumping = false;
  /** Short mode: the next request is due without anything to send. */
  #due = true;
  #interval: Timer | undefined;

  // Down
  /** Number of the last answer of which this and all before have come. */
  #received = 0;
  /** Answers that overtook the one before them. */
  readonly #early = new Map<number, Answer>();
  /** Batches for the receiver; "end" stands behind the last one of a link that the server closed in good order. */
  #inbox: (Uint8Array | "end")[] = [];
  #paused = false;
  /** A request is needed that takes batches, since the one under way was made while paused. */
  #wants = false;

  // End
  #state: "open" | "closing" | "over" = "open";
  #lastNumber = Infinity;
  #closeTimer: Timer | undefined;

  constructor({ host, options, traits, endpoint, fetch }: ClientLinkHost) {
    this.#host = host;
    this.#options = options;
    this.#fetch = fetch;
    this.traits = traits;
    this.#url = `${endpoint.url}${endpoint.path}/${TRANSPORT}`;
    this.#text = !traits.binary;
    this.#holdMs = options.holdMs;
    this.#opening = linkName(host.random);
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
  }
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    for (const { takes } of this.#requests.values()) if (!takes) this.#wants = true;
    this.#pumpSoon();
  }
  close(error?: ConnectError): void {
    if (this.#state !== "open") return;
    if (error !== undefined) {
      if (this.#next > 1) this.#tell(error);
      this.#die(error);
    } else if (this.#next === 1 && this.#queue.length === 0) {
      this.#die(undefined); // the server has never heard of it
    } else {
      this.#state = "closing";
      this.#closeTimer = this.#host.clock.after(CLOSE_MS, () => this.#die(undefined));
      this.#pumpSoon();
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
    this.#deliver();
    while (this.#state !== "over" && this.#isDue()) this.#ask();
    if (this.#full && this.#state === "open" && this.buffered <= HIGH_WATER_BYTES) {
      this.#full = false;
      this.#receiver.drain();
    }
  };

  #isDue(): boolean {
    if (this.#lastNumber < this.#next) return false; // the last request is on its way
    const idle = this.#requests.size === 0 && this.#early.size === 0;
    // Until the server has given the link a name there is one request, and it is number 1.
    if (this.#name === undefined) return idle && this.#next === 1;
    if (this.#next > this.#received + WINDOW) return false;
    if (this.#state === "closing") return true;
    if (this.#queue.length > 0 && !this.#stopped) return true;
    if (this.#wants) return true;
    if (!idle) return false;
    if (this.#holds || this.#due) return true;
    const jitter = 0.8 + 0.4 * this.#host.random.next();
    this.#interval ??= this.#host.clock.after(this.#options.intervalMs * jitter, () => {
      this.#interval = undefined;
      this.#due = true;
      this.#pumpSoon();
    });
    return false;
  }

  /**
   * The server shall hold requests. In short mode, too, while the page is hidden: its timers run once in a minute then (Chrome's intensive
   * throttling), and a server that is asked so seldom would take the link for dead.
   */
  get #holds(): boolean {
    const { document } = globalThis as { readonly document?: { readonly hidden?: boolean } };
    return this.#options.mode === "long" || document?.hidden === true;
  }

  /** Makes the next request. */
  #ask(): void {
    const closing = this.#state === "closing";
    const batches = this.#stopped && !closing ? [] : takeBatches(this.#queue);
    for (const batch of batches) this.buffered -= batch.bytes;
    const isLast = closing && this.#queue.length === 0;
    const settle = this.#next === 1 || batches.length > 0 ? SETTLE_MS : 0;
    const request: Request = {
      number: this.#next++,
      body: writeBatches(batches, this.#text),
      holdMs: closing ? 0 : !this.#holds || this.#name === undefined ? settle : Math.round(this.#holdMs),
      takes: !this.#paused,
      close: isLast ? "" : undefined,
      tries: 0,
      cut: false,
      controller: undefined,
      timer: undefined,
    };
    if (isLast) this.#lastNumber = request.number;
    this.#due = this.#wants = false;
    this.#interval?.[Symbol.dispose]();
    this.#interval = undefined;
    this.#requests.set(request.number, request);
    void this.#try(request);
  }

  /** One try of a request. Never rejects. */
  async #try(request: Request): Promise<void> {
    const { clock } = this.#host;
    const controller = (request.controller = new AbortController());
    const { timeoutMs } = this.#options;
    const began = clock.now();
    const waitMs = request.holdMs + timeoutMs + request.body.byteLength / SLOW_BYTES_PER_MS;
    let heardAt = began + waitMs - timeoutMs;
    const look = (): void => {
      // While the answer is on its way there is no hurry: a slow one that is cut would only have to come once more.
      const leftMs = heardAt + timeoutMs - clock.now();
      if (leftMs <= 0) controller.abort();
      else request.timer = clock.after(leftMs, look);
    };
    request.timer = clock.after(waitMs, look);
    const heard = (): void => {
      heardAt = clock.now();
      if (this.#state !== "over") this.#receiver.heard?.();
    };
    let passing: string; // what went wrong, and may be mended by another try
    try {
      const response = await this.#fetch(this.#url, this.#requestOf(request, controller.signal));
      if (response.status === 200) {
        heard(); // an answer without batches is life, too
        const answer = await this.#read(response, heard);
        request.timer[Symbol.dispose]();
        if (this.#isCurrent(request, controller)) this.#answered(request, answer);
        return;
      }
      const detail = await readRefusal(response);
      request.timer[Symbol.dispose]();
      if (!this.#isCurrent(request, controller)) return;
      if (!mayPass(response.status)) return this.#fail(detail);
      passing = detail;
    } catch (error) {
      request.timer[Symbol.dispose]();
      if (!this.#isCurrent(request, controller)) return;
      if (isOurs(error)) return this.#die(error as ConnectError);
      passing = controller.signal.aborted
        ? `no answer came within ${Math.round(clock.now() - began)} ms`
        : fetchFailure(error);
    }
    this.#retry(request, passing, clock.now() - began);
  }

  #isCurrent(request: Request, controller: AbortController): boolean {
    return (
      this.#state !== "over" && request.controller === controller && this.#requests.get(request.number) === request
    );
  }

  #retry(request: Request, detail: string, tookMs: number): void {
    const { retries, retryMs } = this.#options;
    if (!request.cut && tookMs >= IMPATIENT_MS && tookMs < request.holdMs) {
      // Held for a while and then cut: somebody on the way has less patience than we asked for. That is no failure; ask for less.
      request.cut = true;
      request.holdMs = this.#holdMs = Math.max(IMPATIENT_MS, Math.min(this.#holdMs, Math.round(tookMs * 0.75)));
    } else {
      // An opening that nobody answers is repeated once only: others race with it.
      if (request.tries >= (this.#name === undefined ? Math.min(1, retries) : retries)) return this.#fail(detail);
      request.tries++;
    }
    const jitter = 0.8 + 0.4 * this.#host.random.next();
    const wait = Math.min(Math.max(LONGEST_RETRY_MS, retryMs), retryMs * 2 ** Math.max(0, request.tries - 1)) * jitter;
    request.timer = this.#host.clock.after(wait, () => void this.#try(request));
  }

  #requestOf({ number, body, holdMs, takes, close }: Request, signal: AbortSignal | null): RequestInit {
    const headers: Record<string, string> = {
      "content-type": this.#text ? TEXT_BATCHES_TYPE : BATCHES_TYPE,
      [POLL_HEADER]: writeHead({
        number,
        received: this.#received,
        holdMs,
        maxBytes: this.#options.maxBatchBytes,
        nextMs: this.#holds ? 0 : this.#options.intervalMs,
        takes,
      }),
    };
    if (this.#name === undefined) headers[OPEN_HEADER] = this.#opening;
    else headers[LINK_HEADER] = this.#name;
    if (close !== undefined) headers[CLOSE_HEADER] = close;
    return {
      method: "POST",
      headers,
      body: body as Uint8Array<ArrayBuffer>,
      signal,
      cache: "no-store",
      credentials: this.#options.credentials ? "include" : "same-origin",
      redirect: "error", // a link's name is for this server only
      keepalive: close !== undefined && body.byteLength < KEEPALIVE_BYTES,
    };
  }

  /** Lets the server know of a close with an error, without waiting for anything. */
  #tell(error: ConnectError): void {
    const last: Request = {
      number: this.#next,
      body: new Uint8Array(0),
      holdMs: 0,
      takes: false,
      close: writeReason(error),
      tries: 0,
      cut: false,
      controller: undefined,
      timer: undefined,
    };
    // The server finds a link that it has not named yet by the number of its opening.
    const told = this.#name === undefined ? { ...last, number: 1 } : last;
    this.#fetch(this.#url, this.#requestOf(told, null))
      .then((response) => response.body?.cancel(), ignore)
      .catch(ignore);
  }

  // ---- down

  async #read(response: Response, heard: () => void): Promise<Answer> {
    const name = response.headers.get(LINK_HEADER);
    const type = response.headers.get("content-type");
    if (type !== (this.#text ? TEXT_BATCHES_TYPE : BATCHES_TYPE))
      throw fail("request_malformed", {
        transport: TRANSPORT,
        detail: `the answer has content type ${(type ?? "none").slice(0, 100)}`,
      });
    const body = await readAnswer(response, maxBodyBytes(this.#options.maxBatchBytes), heard);
    const batches = readBatches(body, this.#text, this.#options.maxBatchBytes, TRANSPORT);
    this.#name ??= name ?? undefined;
    if (this.#name === undefined)
      throw fail("request_malformed", { transport: TRANSPORT, detail: "the answer to the opening names no link" });
    return {
      batches,
      paused: response.headers.get(PAUSE_HEADER) !== null,
      close: response.headers.get(CLOSE_HEADER) ?? undefined,
    };
  }

  #answered(request: Request, answer: Answer): void {
    this.#requests.delete(request.number);
    this.#early.set(request.number, answer);
    for (;;) {
      const number = this.#received + 1;
      const next = this.#early.get(number);
      if (next === undefined) break;
      this.#early.delete(number);
      this.#received = number;
      this.#stopped = next.paused;
      if (this.#state === "open") this.#inbox.push(...next.batches);
      if (next.close !== undefined && next.close !== "") {
        return this.#die(
          fail("link_closed", { transport: TRANSPORT, detail: `the server closed it: ${readReason(next.close)}` }),
        );
      }
      if (number === this.#lastNumber) return this.#die(undefined);
      if (next.close === "") {
        if (this.#state === "closing") return this.#die(undefined);
        this.#inbox.push("end");
        this.#lastNumber = 0; // there is nothing more to ask
        this.#abort();
        break;
      }
    }
    this.#pump();
  }

  #deliver(): void {
    while (!this.#paused && this.#state === "open") {
      const item = this.#inbox.shift();
      if (item === undefined) return;
      if (item === "end") return this.#die(undefined);
      this.#receiver.batch(item);
    }
  }

  // ---- end

  #fail(detail: string): void {
    this.#die(
      this.#name === undefined
        ? fail("transport_failed", { transport: TRANSPORT, detail })
        : fail("link_closed", { transport: TRANSPORT, detail }),
    );
  }
  #die(error: ConnectError | undefined): void {
    if (this.#state === "over") return;
    this.#state = "over";
    this.#queue.length = 0;
    this.buffered = 0;
    this.#inbox = [];
    this.#early.clear();
    this.#interval?.[Symbol.dispose]();
    this.#closeTimer?.[Symbol.dispose]();
    this.#abort();
    this.#host.clock.turnEnd(() => this.#receiver.closed(error));
  }
  #abort(): void {
    for (const { controller, timer } of this.#requests.values()) {
      timer?.[Symbol.dispose]();
      controller?.abort();
    }
    this.#requests.clear();
  }
}

/** Errors with a reason of Raceway's catalogue are about what came, and do not go away by asking again. */
function isOurs(error: unknown): boolean {
  return error instanceof Error && error.name === "ConnectError";
}

function ignore(): void {}
