// HTTP exchanges made from web-standard requests, for hosts that have `fetch` handlers in place of servers.
import {
  type Clock,
  fail,
  type HttpExchange,
  type NodeExchange,
  type Peer,
  type StreamOut,
  type StreamSink,
} from "@raceway/core";
import { HttpWatch, isTooSlow, joinChunks, type Watched } from "./http-body.ts";
import { type HttpLimitOptions, type HttpLimits, resolveHttpLimits } from "./http-limits.ts";
import { type HttpHandler, refuse } from "./http-router.ts";

export interface FetchOptions {
  readonly clock: Clock;
  readonly limits?: HttpLimitOptions | undefined;
}
/** What a `Request` does not tell: who sent it. */
export interface FetchPeer {
  readonly address?: string;
  /** Default: by the request's URL. */
  readonly secure?: boolean;
}

/** Bytes of an answer that wait for the host before `write` says stop. */
const HIGH_WATER_BYTES = 65_536;
const NOTHING = new Uint8Array(0);

/** Makes a function from request to response. There are no upgrades here. */
export function fetchHandler(
  handler: HttpHandler,
  options: FetchOptions,
): (request: Request, peer?: FetchPeer) => Promise<Response> {
  const limits = resolveHttpLimits(options.limits);
  const watch = new HttpWatch(options.clock);
  return (request, peer = {}) =>
    new Promise((resolve) => {
      const exchange = new FetchExchange(request, peer, resolve, limits, watch);
      const target = exchange.path.length + new URL(request.url).search.length;
      if (target > limits.targetBytes)
        refuse(exchange, 414, `Request target of ${target} bytes exceeds the limit of ${limits.targetBytes}.`);
      else if (headBytes(request.headers) > limits.headBytes)
        refuse(exchange, 431, `Request headers exceed the limit of ${limits.headBytes} bytes.`);
      else handler.request(exchange);
    });
}

function headBytes(headers: Headers): number {
  let bytes = 0;
  for (const [name, value] of headers) bytes += name.length + value.length;
  return bytes;
}

class FetchExchange implements HttpExchange {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly peer: Peer;
  readonly closed: AbortSignal;
  readonly node: NodeExchange | undefined;
  readonly #request: Request;
  readonly #respond: (response: Response) => void;
  readonly #limits: HttpLimits;
  readonly #watch: HttpWatch;
  readonly #gone = new AbortController();

  constructor(
    request: Request,
    peer: FetchPeer,
    respond: (response: Response) => void,
    limits: HttpLimits,
    watch: HttpWatch,
  ) {
    const url = new URL(request.url);
    const { headers } = request;
    this.method = request.method;
    this.path = url.pathname;
    this.query = url.searchParams;
    this.peer = {
      address: peer.address ?? "",
      secure: peer.secure ?? url.protocol === "https:",
      // A `Request` says its host in its URL, and has no names that begin with a colon.
      header: (name) =>
        name.startsWith(":") ? undefined : (headers.get(name) ?? (name === "host" ? url.host : undefined)),
    };
    this.#request = request;
    this.#respond = respond;
    this.#limits = limits;
    this.#watch = watch;
    this.closed = this.#gone.signal;
    const gone = (): void => this.#gone.abort();
    if (request.signal.aborted) gone();
    else request.signal.addEventListener("abort", gone, { once: true });
  }

  async body(maxBytes: number): Promise<Uint8Array> {
    const { body, headers } = this.#request;
    if (body === null) return NOTHING;
    const declared = Number(headers.get("content-length") ?? 0);
    if (!(declared <= maxBytes)) throw fail("body_too_large", { bytes: declared, limit: maxBytes });
    const reader = (body as ReadableStream<Uint8Array>).getReader();
    const began = this.#watch.clock.now();
    const chunks: Uint8Array[] = [];
    let bytes = 0;
    let late = false;
    const watched: Watched = {
      look: (now) => {
        if (!isTooSlow(now - began, bytes, this.#limits)) return;
        late = true;
        reader.cancel().catch(ignore); // ends the read that waits
      },
    };
    this.#watch.add(watched);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (late) throw fail("body_too_slow", { ms: Math.round(this.#watch.clock.now() - began) });
        if (done) return joinChunks(chunks, bytes);
        bytes += value.byteLength;
        if (bytes > maxBytes) {
          reader.cancel().catch(ignore);
          throw fail("body_too_large", { bytes, limit: maxBytes });
        }
        chunks.push(value);
      }
    } catch (error) {
      throw late || bytes > maxBytes ? error : fail("body_incomplete", { bytes });
    } finally {
      this.#watch.delete(watched);
    }
  }

  reply(status: number, headers: Readonly<Record<string, string>>, body?: Uint8Array): void {
    const bodiless = status === 204 || status === 304 || this.method === "HEAD";
    this.#respond(
      new Response(bodiless || body === undefined ? null : (body as Uint8Array<ArrayBuffer>), {
        status,
        headers: ofHop(headers),
      }),
    );
  }

  stream(status: number, headers: Readonly<Record<string, string>>, sink: StreamSink): StreamOut {
    const out = new FetchStream(sink, this.#watch.clock, () => this.#gone.abort());
    if (this.closed.aborted) out.destroy();
    else this.closed.addEventListener("abort", () => out.destroy(), { once: true });
    this.#respond(new Response(out.readable, { status, headers: ofHop(headers) }));
    return out;
  }
}

/** Headers about the hop are the host's business. */
function ofHop(headers: Readonly<Record<string, string>>): Record<string, string> {
  const rest = { ...headers };
  delete rest["connection"];
  delete rest["upgrade"];
  return rest;
}

/** An answer under way: a readable stream that the host reads as fast as the client takes it. */
class FetchStream implements StreamOut {
  readonly readable: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #sink: StreamSink;
  readonly #clock: Clock;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #full = false;
  #over = false;

  constructor(sink: StreamSink, clock: Clock, cancelled: () => void) {
    this.#sink = sink;
    this.#clock = clock;
    this.readable = new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        start: (controller) => void (this.#controller = controller),
        pull: () => {
          if (!this.#full || this.#over) return;
          this.#full = false;
          sink.drain();
        },
        cancel: () => {
          this.#finish();
          cancelled();
        },
      },
      { highWaterMark: HIGH_WATER_BYTES, size: (chunk) => chunk.byteLength },
    );
  }

  get buffered(): number {
    return this.#over ? 0 : Math.max(0, HIGH_WATER_BYTES - (this.#controller.desiredSize ?? HIGH_WATER_BYTES));
  }
  write(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    // A stream's reader may transfer what it gets, and these bytes are shared: it gets copies.
    let bytes = 0;
    for (const part of parts) bytes += part.byteLength;
    if (bytes > 0) {
      const whole = new Uint8Array(bytes);
      let at = 0;
      for (const part of parts) {
        whole.set(part, at);
        at += part.byteLength;
      }
      this.#controller.enqueue(whole);
    }
    const room = (this.#controller.desiredSize ?? 0) > 0;
    if (!room) this.#full = true;
    return room;
  }
  end(): void {
    if (this.#over) return;
    this.#controller.close();
    this.#finish();
  }
  destroy(): void {
    if (this.#over) return;
    this.#controller.error(fail("call_cancelled"));
    this.#finish();
  }
  #finish(): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.turnEnd(() => this.#sink.closed()); // never from inside `end`
  }
}

function ignore(): void {}
