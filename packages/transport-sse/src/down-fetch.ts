// Reads the stream by `fetch`, as text or in binary.
import { fail, fetchFailure, readRefusal } from "@raceway/core";
import type { Down, DownSink } from "./down.ts";
import { EventParser } from "./event-parser.ts";
import { FrameParser } from "./frame-parser.ts";
import { BINARY_STREAM, CONTROL_CLOSE, CONTROL_LINK, TEXT_STREAM, TRANSPORT } from "./protocol.ts";

interface Parser {
  push(chunk: Uint8Array): void;
  stop(): void;
}
/** Beside the batch, an event has the names of its fields. */
const FIELD_BYTES = 1_024;

/** Opens the stream. `init` is the whole request but for its signal. */
export function downByFetch(
  fetching: typeof fetch,
  url: string,
  init: RequestInit,
  text: boolean,
  maxBatchBytes: number,
  sink: DownSink,
): Down {
  return new DownByFetch(fetching, url, init, text, maxBatchBytes, sink);
}

class DownByFetch implements Down {
  readonly #sink: DownSink;
  readonly #parser: Parser;
  readonly #controller = new AbortController();
  #stopped = false;
  #paused = false;
  #goOn: (() => void) | undefined;

  constructor(
    fetching: typeof fetch,
    url: string,
    init: RequestInit,
    text: boolean,
    maxBatchBytes: number,
    sink: DownSink,
  ) {
    this.#sink = sink;
    this.#parser = text ? textParser(sink, maxBatchBytes) : binaryParser(sink, maxBatchBytes);
    void this.#run(
      () => fetching(url, { ...init, signal: this.#controller.signal }),
      text ? TEXT_STREAM : BINARY_STREAM,
    );
  }

  pause(): void {
    this.#paused = true;
  }
  resume(): void {
    this.#paused = false;
    this.#goOn?.();
    this.#goOn = undefined;
  }
  stop(): void {
    this.#stopped = true;
    this.#parser.stop();
    this.#controller.abort();
    this.resume();
  }

  /** Never rejects. */
  async #run(begin: () => Promise<Response>, type: string): Promise<void> {
    try {
      // Once more if it fails before an answer: a connection that was kept from before may have died unnoticed, and a request is how one finds out.
      // The server refuses the second one if it knows of the first.
      const response = await begin().catch((error: unknown) =>
        this.#stopped ? Promise.reject(error as Error) : begin(),
      );
      if (response.status !== 200) return this.#fail(await readRefusal(response));
      const given = response.headers.get("content-type");
      if (given?.split(";")[0]?.trim() !== type || response.body === null) {
        return this.#fail(
          fail("request_malformed", {
            transport: TRANSPORT,
            detail: `the stream has content type ${(given ?? "none").slice(0, 100)}`,
          }),
        );
      }
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      while (!this.#stopped) {
        // Not reading is what makes the server stop.
        if (this.#paused) await new Promise<void>((resolve) => (this.#goOn = resolve));
        const { done, value } = await reader.read();
        if (this.#stopped) return;
        if (done) return this.#fail("the stream ended");
        this.#sink.heard();
        this.#parser.push(value);
      }
    } catch (error) {
      this.#fail(error instanceof Error && error.name === "ConnectError" ? error : fetchFailure(error));
    }
  }
  #fail(error: Error | string): void {
    if (this.#stopped) return;
    this.stop();
    this.#sink.failed(error);
  }
}

const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const encoder = new TextEncoder();

function binaryParser(sink: DownSink, maxBatchBytes: number): Parser {
  return new FrameParser(
    {
      batch: (bytes) => sink.batch(bytes),
      control(kind, content) {
        if (kind === CONTROL_LINK) sink.named(decoder.decode(content));
        else if (kind === CONTROL_CLOSE) sink.closed(decoder.decode(content));
      },
    },
    maxBatchBytes,
  );
}

function textParser(sink: DownSink, maxBatchBytes: number): Parser {
  return new EventParser(
    {
      event(type, data) {
        if (type === "message") return sink.batch(data);
        const value = decoder.decode(data.subarray(0, -1));
        if (type === "quoted") sink.batch(unquote(value));
        else if (type === "link") sink.named(value);
        else if (type === "close") sink.closed(value);
      },
    },
    // A quoted batch may be six times as long as what it says.
    6 * maxBatchBytes + FIELD_BYTES,
  );
}

/** The batch of an event "quoted". */
export function unquote(text: string): Uint8Array {
  let batch: unknown;
  try {
    batch = JSON.parse(text);
  } catch {
    batch = undefined;
  }
  if (typeof batch !== "string")
    throw fail("request_malformed", { transport: TRANSPORT, detail: "a quoted event is no JSON string" });
  return encoder.encode(batch);
}
