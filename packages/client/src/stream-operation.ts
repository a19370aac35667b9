// A streaming call of any shape, topics included: messages out of an iterable, messages into a queue.
import type { DescMessage, DescMethodStreaming } from "@bufbuild/protobuf";
import { type ConnectError, ConnectError as Failure, type StreamResponse } from "@connectrpc/connect";
import { type Codec, type Position, fail } from "@raceway/core";
import {
  type EndFrame,
  type HeaderField,
  MessageQueue,
  type PublicationFrame,
  type Session,
  TOPIC_RESET,
  TOPIC_STANDS,
  type TopicFrame,
  headersOf,
} from "@raceway/core/internal";
import { versionIn } from "./contracts.ts";
import { type CallInit, Operation, type OperationHost, endError, pathOf } from "./operation.ts";
import { type Gap, type TopicReading, topicReading } from "./topic-options.ts";

/** Starts the call; resolves with the response when the server has said its first word, as over HTTP. */
export function startStream<I extends DescMessage, O extends DescMessage>(
  host: OperationHost,
  init: CallInit & { readonly method: DescMethodStreaming<I, O> },
  input: AsyncIterable<unknown>,
  queueLimit: number,
): Promise<StreamResponse<I, O>> {
  return new Promise((resolve, reject) => {
    const operation = new StreamOperation(
      host,
      init,
      queueLimit,
      resolve as (response: StreamResponse) => void,
      reject,
    );
    operation.start(input);
  });
}

class StreamOperation extends Operation {
  readonly #resolve: (response: StreamResponse) => void;
  readonly #reject: (error: unknown) => void;
  readonly #init: CallInit;
  readonly #queue: MessageQueue<unknown>;
  /** By the codec; looked up once, and not for each message. */
  #encode!: (message: never) => Uint8Array;
  #decode!: (payload: Uint8Array) => unknown;
  readonly #queueLimit: number;
  readonly #header = new Headers();
  readonly #trailer = new Headers();
  #answered = false;
  /** Of the schema, if the server has another. */
  #version: string | undefined;
  /** Something was said of it after the Open. */
  #said = false;
  #input: AsyncIterator<unknown> | undefined;
  #room: (() => void) | undefined;
  /** Server streams: the whole request. */
  #request: Uint8Array | undefined;

  // Of a topic
  #isTopic = false;
  #epoch = "";
  /** Offset of the last event that was taken into the queue. */
  #offset = 0;
  /** Offset of the last event that was read. */
  #read = 0;
  /** Before the present position: events that wait to be read from before a reset, and what to tell after them. */
  #earlier: { left: number; readonly epoch: string; read: number; readonly gap: Gap }[] = [];
  /** Events were left out; asked to be sent again from `#offset` on. */
  #asked = false;
  /** The reader was too slow: events are left out until he has caught up. */
  #behind = false;

  constructor(
    host: OperationHost,
    init: CallInit,
    queueLimit: number,
    resolve: (response: StreamResponse) => void,
    reject: (error: unknown) => void,
  ) {
    super(host, pathOf(init.method), init);
    this.#init = init;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#queueLimit = queueLimit;
    this.#speak(this.codec);
    this.#queue = new MessageQueue<unknown>({
      decode: (payload) => this.#decode(payload),
      consumed: (bytes) => this.#consumed(bytes),
      abandoned: () => this.abort(fail("call_cancelled")),
    });
  }

  start(input: AsyncIterable<unknown>): void {
    if (!this.watch()) return;
    this.#begin(input).catch((error: unknown) => this.abort(Failure.from(error)));
  }

  async #begin(input: AsyncIterable<unknown>): Promise<void> {
    if (this.#init.method.methodKind === "server_streaming") {
      for await (const request of input) {
        this.#request = this.#encode(request as never);
        break;
      }
      this.#request ??= this.#encode({} as never);
      if (!this.settled) this.host.outbox.submit(this);
      return;
    }
    this.host.outbox.submit(this);
    const iterator = input[Symbol.asyncIterator]();
    this.#input = iterator;
    for (;;) {
      const result = await iterator.next();
      if (this.settled) return;
      if (result.done === true) break;
      while (!this.settled && this.call?.writable !== true)
        await new Promise<void>((resolve) => (this.#room = resolve));
      if (this.settled) return;
      this.#said = true;
      this.call!.send(this.#encode(result.value as never)); // now, for the session that has the call by now
    }
    this.#input = undefined;
    while (!this.settled && this.call === undefined) await new Promise<void>((resolve) => (this.#room = resolve));
    if (this.settled) return;
    this.#said = true;
    this.call!.halfClose();
  }

  protected open(session: Session, header: readonly HeaderField[]): void {
    const { input, output } = this.#init.method;
    this.#request &&= this.again(this.#request, input, session);
    this.#queue.rewrite((payload) => {
      if (this.#version) this.#decode(payload); // while it is known who wrote it
      return this.again(payload, output, session);
    });
    this.#speak(session.codec);
    const after = this.#after();
    this.#asked = false;
    this.#version = undefined;
    this.call = session.open(this, this.path, {
      header,
      timeoutMs: this.remainingMs,
      ...(after !== undefined && { after }),
      ...(this.#request !== undefined && { payload: this.#request }),
    });
    this.call.window = this.host.windowOf(this.#init.method);
    if (this.#isTopic || this.#reading !== undefined) session.subscribed(this.call);
    this.writable(); // whoever waited for room on another session looks again
  }

  #speak(codec: Codec): void {
    const { input, output } = this.#init.method;
    this.codec = codec;
    this.#encode = codec.of(input).encode;
    const { decode } = codec.of(output);
    this.#decode = (payload) => {
      try {
        return decode(payload);
      } catch (error) {
        throw this.unread(error, this.#version);
      }
    };
  }

  protected get fresh(): boolean {
    return !this.#said;
  }
  override get weight(): number {
    return super.weight + (this.#request?.length ?? 0);
  }

  get #reading(): TopicReading | undefined {
    return this.#init.contextValues?.get(topicReading);
  }

  /** Where a topic is to be read on. */
  #after(): Position | undefined {
    if (this.#epoch !== "") return { epoch: this.#epoch, offset: this.#offset };
    const from = this.#reading?.from ?? "now";
    if (from === "now") return undefined;
    return from === "start" ? { epoch: "", offset: 0 } : from;
  }

  /** Topics go on by position; a request stream that has begun cannot be repeated. */
  protected get repeatable(): boolean {
    return this.#isTopic || this.#reading !== undefined;
  }

  // ---- what the session tells

  data(payload: Uint8Array, header: readonly HeaderField[] | undefined): void {
    this.#answer(header);
    this.#queue.push(payload);
  }

  end(frame: EndFrame): void {
    if (this.settled) return;
    this.settle();
    this.#stopInput();
    try {
      this.#answerLast(frame);
      if (frame.payload !== undefined) this.#queue.push(frame.payload);
      const error = endError(frame);
      if (error === undefined) this.#queue.finish();
      else this.#fail(error);
    } catch (failure) {
      this.#fail(Failure.from(failure)); // headers that HTTP does not allow
    }
  }

  #answerLast(frame: EndFrame): void {
    headersOf(frame.trailer, this.#trailer);
    if (frame.status === undefined || this.#answered) this.#answer(frame.header);
  }

  #answer(header: readonly HeaderField[] | undefined): void {
    this.#version = versionIn(header) ?? this.#version;
    if (this.#answered) return;
    this.#answered = true;
    headersOf(header ?? [], this.#header);
    const { method } = this.#init;
    this.#resolve({
      stream: true,
      service: method.parent,
      method: method as DescMethodStreaming,
      header: this.#header,
      trailer: this.#trailer,
      message: this.#queue as AsyncIterable<never>,
    });
  }

  #fail(error: ConnectError): void {
    if (this.#answered) this.#queue.finish(error);
    else this.#reject(error);
  }

  protected failed(error: ConnectError): void {
    this.#stopInput();
    this.#fail(error);
  }

  #stopInput(): void {
    this.writable();
    const input = this.#input;
    this.#input = undefined;
    endQuietly(input);
  }

  writable(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.();
  }

  #consumed(bytes: number): void {
    if (!this.#isTopic) {
      this.call?.consumed(bytes);
      return;
    }
    this.#tellGaps();
    const reading = this.#reading;
    const earlier = this.#earlier[0];
    if (earlier === undefined) this.#read++;
    else {
      earlier.left--;
      earlier.read++;
    }
    if (reading !== undefined)
      reading.position =
        earlier === undefined
          ? { epoch: this.#epoch, offset: this.#read }
          : { epoch: earlier.epoch, offset: earlier.read };
    if (this.#behind && this.#queue.length * 2 <= this.#queueLimit) {
      this.#behind = false;
      this.#ask();
    }
  }

  // ---- of a topic

  topic(frame: TopicFrame): void {
    const { position } = frame;
    if (this.settled || position === undefined) return;
    this.progressed();
    if (!this.#isTopic) {
      this.#isTopic = true;
      this.call!.session.subscribed(this.call!);
    }
    this.#asked = false;
    if (frame.state === TOPIC_RESET) {
      const { from } = this.#reading ?? {};
      const gap: Gap = {
        after: this.#epoch === "" && typeof from === "object" ? from : { epoch: this.#epoch, offset: this.#offset },
        first: position.offset + 1,
        epoch: position.epoch,
      };
      if (this.#reading?.onReset === undefined) {
        this.#answer(frame.header);
        const { first, after } = gap;
        this.abort(fail("history_gone", { address: this.path, epoch: position.epoch, first, after: after.offset }));
        return;
      }
      const earlier = this.#earlier.reduce((sum, { left }) => sum + left, 0);
      const left = this.#queue.length - earlier;
      this.#earlier.push({ left, epoch: this.#epoch, read: this.#read, gap });
      this.#place(position);
      if (this.#queue.length === 0) this.#tellGaps();
    } else if (this.#epoch === "") {
      // Where the server stands is not where it began: what it said in between was lost with a link.
      if (frame.state === TOPIC_STANDS) return this.#ask();
      this.#place(position);
    } else if (position.epoch === this.#epoch && position.offset > this.#offset && !this.#behind) this.#ask(); // the server went on over another link by itself
    this.#answer(frame.header);
  }

  #place(position: Position): void {
    this.#epoch = position.epoch;
    this.#offset = position.offset;
    this.#read = position.offset;
  }

  /** The reader has read all that came before a reset: he is told of it before anything that came after. */
  #tellGaps(): void {
    for (let next = this.#earlier[0]; next?.left === 0; next = this.#earlier[0]) {
      this.#earlier.shift();
      try {
        this.#reading?.onReset?.(next.gap);
      } catch (error) {
        this.#answer(undefined);
        this.abort(Failure.from(error));
      }
    }
  }

  publication(frame: PublicationFrame): void {
    if (frame.offset <= this.#offset || this.#behind || this.settled || this.#epoch === "") return; // came already, or comes again
    if (frame.offset > this.#offset + 1) {
      this.#ask(); // something is missing: read on from where we are
      return;
    }
    if (this.#queue.length >= this.#queueLimit) {
      this.#behind = true;
      return;
    }
    this.#offset = frame.offset;
    this.#queue.push(frame.payload);
  }

  /** Says where this side stands, and has the rest sent. */
  #ask(): void {
    if (this.#asked || this.call === undefined || this.call.over) return;
    this.#asked = true;
    this.#sayPosition();
  }

  #sayPosition(): void {
    const position = this.#epoch === "" ? undefined : { epoch: this.#epoch, offset: this.#offset };
    this.call!.session.control({ kind: "topic", call: this.call!.id, handle: 0, position, state: 0 });
  }

  relinked(): void {
    if (this.call === undefined) return;
    this.#asked = !this.#behind;
    if (!this.#behind) this.#sayPosition();
  }
}

/** The caller's generator ends; an error in its `finally` is its own. */
function endQuietly(input: AsyncIterator<unknown> | undefined): void {
  try {
    input?.return?.()?.catch(() => {});
  } catch {
    // an iterator of the caller's own making may throw at once
  }
}
