// A Raceway client reduced to what a subscriber needs: says Hello, opens the topic, answers pings, and reads publications in place.
import { zstdDecompressSync } from "node:zlib";
import { create, toBinary } from "@bufbuild/protobuf";
import { type CodedFrame, encodeFrame, type Frame, readBatch } from "@raceway/core/internal";
import type { Arrivals } from "../arrivals.ts";
import { BenchService, TicksRequestSchema } from "../gen/bench/v1/bench_pb.ts";
import { readBinaryEvent } from "./read-event.ts";

const nothing = new Uint8Array(0);

export interface RawIntroduction {
  /** "" for none. */
  readonly credential: string;
  /** None, or "zstd". */
  readonly coders: readonly string[];
}
const hello = ({ credential, coders }: RawIntroduction): Uint8Array =>
  encodeFrame({
    kind: "hello",
    version: 1,
    codecs: ["proto"],
    session: nothing,
    secret: nothing,
    received: 0,
    credential,
    window: { messages: 256, bytes: 1_048_576 },
    agent: "raceway-bench",
    header: [],
    attempt: 1,
    coders,
  });
const open = encodeFrame({
  kind: "open",
  call: 1,
  method: `/${BenchService.typeName}/${BenchService.method.ticks.name}`,
  header: [],
  timeoutMs: 0,
  idempotencyKey: "",
  after: undefined,
  end: true,
  payload: toBinary(TicksRequestSchema, create(TicksRequestSchema, { board: "main" })),
});

/** The real client measures the round trip so often, which is also how the server knows that it is there. */
const PING_EVERY_MS = 15_000;
const ping = encodeFrame({ kind: "ping", id: 1 });

const FRAME_TAG = 0x0a; // Batch.frame
const PUBLICATION_TAG = 0x52; // Frame.publication
const CODED_TAG = 0x7a; // Frame.coded
const PAYLOAD_TAG = 0x1a; // Publication.payload
const BRACE = 0x7b;
const TEXT_PUBLICATION = Buffer.from('{"publication":');
const TEXT_PAYLOAD = Buffer.from('"payload":"');
/** Base64 of number and time, which are the first 15 bytes of an event. */
const TEXT_EVENT_CHARS = 20;

export class RawSession {
  /** Without `arrivals`: established, not subscribed. */
  readonly ready: Promise<void>;
  readonly #send: (batch: Uint8Array) => void;
  readonly #arrivals: Arrivals | undefined;
  #resolve: () => void = () => {};
  #reject: (error: Error) => void = () => {};
  /** Position after the varint that was read last. */
  #next = 0;
  #pingedAt = performance.now();

  readonly #dictionaries = new Map<number, Uint8Array>();

  /** Says Hello at once. */
  constructor(send: (batch: Uint8Array) => void, arrivals: Arrivals | undefined, introduction: RawIntroduction) {
    this.#send = send;
    this.#arrivals = arrivals;
    this.ready = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    send(hello(introduction));
  }

  failed(error: Error): void {
    this.#reject(error);
    this.#arrivals?.failed(error);
  }

  /** One batch: `chunk` from `start` to `end`. */
  batch(chunk: Buffer, start: number, end: number): void {
    const now = performance.now();
    if (now - this.#pingedAt > PING_EVERY_MS) {
      this.#pingedAt = now;
      this.#send(ping);
    }
    try {
      if (chunk[start] === BRACE) this.#text(chunk, start, end);
      else this.#binary(chunk, start, end);
    } catch (error) {
      this.failed(error as Error);
    }
  }

  #binary(chunk: Buffer, start: number, end: number): void {
    let position = start;
    while (position < end) {
      const frame = position;
      if (chunk[position] !== FRAME_TAG) throw new Error("A batch holds what is no frame.");
      const length = this.#varint(chunk, position + 1);
      position = this.#next + length;
      if (chunk[this.#next] === PUBLICATION_TAG) this.#publication(chunk, this.#next + 1, position);
      else if (chunk[this.#next] === CODED_TAG)
        readBatch(chunk.subarray(frame, position), { jsonDepth: 64 }, (one) => this.#coded(one as CodedFrame));
      else readBatch(chunk.subarray(frame, position), { jsonDepth: 64 }, (one) => this.#other(one));
    }
  }

  #coded({ dictionary, data, defines }: CodedFrame): void {
    const known = this.#dictionaries.get(dictionary);
    const plain = zstdDecompressSync(data, known === undefined ? {} : { dictionary: known });
    if (defines > 0) this.#dictionaries.set(defines, plain);
    else this.#binary(plain, 0, plain.length);
  }

  /** From its length on: handle, offset, payload. */
  #publication(chunk: Buffer, at: number, end: number): void {
    this.#varint(chunk, at);
    let position = this.#next;
    while (position < end && chunk[position] !== PAYLOAD_TAG) {
      this.#varint(chunk, position + 1);
      position = this.#next;
    }
    this.#varint(chunk, position + 1);
    if (this.#arrivals) readBinaryEvent(chunk, this.#next, this.#arrivals);
  }

  #varint(chunk: Buffer, at: number): number {
    let value = 0;
    let factor = 1;
    for (let position = at; ; position++, factor *= 128) {
      const byte = chunk[position] as number;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        this.#next = position + 1;
        return value;
      }
    }
  }

  #text(chunk: Buffer, start: number, end: number): void {
    for (let line = start; line < end;) {
      let next = chunk.indexOf(10, line) + 1;
      if (next === 0 || next > end) next = end;
      if (chunk.compare(TEXT_PUBLICATION, 0, TEXT_PUBLICATION.length, line, line + TEXT_PUBLICATION.length) === 0) {
        const payload = chunk.indexOf(TEXT_PAYLOAD, line) + TEXT_PAYLOAD.length;
        const event = Buffer.from(chunk.toString("latin1", payload, payload + TEXT_EVENT_CHARS), "base64");
        if (this.#arrivals) readBinaryEvent(event, 0, this.#arrivals);
      } else readBatch(chunk.subarray(line, next), { jsonDepth: 64 }, (one) => this.#other(one));
      line = next;
    }
  }

  #other(frame: Frame): void {
    switch (frame.kind) {
      case "welcome":
        if (this.#arrivals) this.#send(open);
        else this.#resolve();
        break;
      case "topic":
        this.#resolve();
        break;
      case "ping":
        this.#send(encodeFrame({ kind: "pong", id: frame.id }));
        break;
      case "end":
      case "goaway":
        throw new Error(`The server said ${frame.kind}: ${frame.status?.message ?? "nothing more"}.`);
    }
  }
}
