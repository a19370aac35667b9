// One call being served on a session: from the Open frame through middleware and handler to the End.
import { create } from "@bufbuild/protobuf";
import {
  ConnectError,
  type ContextValues,
  type StreamRequest,
  type StreamResponse,
  type UnaryRequest,
  type UnaryResponse,
} from "@connectrpc/connect";
import { type Limits, type Logger, type RefusalEvent, type Timer, fail } from "@raceway/core";
import {
  type Call,
  type CallReceiver,
  type EndFrame,
  type HeaderField,
  MessageQueue,
  type OpenFrame,
  checkHeader,
} from "@raceway/core/internal";
import { SessionCallContext } from "./call-context.ts";
import type { Channel, Coding } from "./channel.ts";
import { endCall } from "./end-call.ts";
import { InterceptedRequest } from "./intercepted-request.ts";
import { isPromise } from "./is-promise.ts";
import { fromFirst, isMessage, once, singly, whole } from "./message-streams.ts";
import type { Orphans } from "./orphans.ts";
import { type Stranger, explained, withVersion } from "./schema-fit.ts";
import { shownError, written } from "./shown-error.ts";

/** What calls need of their session. */
export interface ServingHost {
  readonly orphans: Orphans;
  readonly context: ContextValues;
  readonly limits: Limits;
  readonly log: Logger;
  /** A call was refused before anything of it ran, or a subscription by its gate. */
  refused(error: ConnectError, channel?: string, what?: RefusalEvent["what"]): void;
}

/** Serves a call of any kind but topic. */
export class Serving implements CallReceiver {
  readonly #call: Call;
  readonly #channel: Channel;
  readonly #coding: Coding;
  readonly #host: ServingHost;
  readonly #context: SessionCallContext;
  /** Streams of requests. */
  #requests: MessageQueue<unknown> | undefined;
  /** A single request that did not come with the Open. */
  #single: Uint8Array | undefined;
  #deadline: Timer | undefined;
  #orphan: Disposable | undefined;
  #room: (() => void) | undefined;
  #output: AsyncIterator<unknown> | undefined;
  #headerSent = false;
  /** The request was read, so plugins and handler get to see the call. */
  #heard = false;
  readonly #keyed: boolean;
  readonly #stranger: Stranger | undefined;

  private constructor(
    call: Call,
    channel: Channel,
    coding: Coding,
    frame: OpenFrame,
    host: ServingHost,
    stranger: Stranger | undefined,
  ) {
    this.#call = call;
    this.#channel = channel;
    this.#coding = coding;
    this.#host = host;
    this.#stranger = stranger;
    const clock = call.session.clock;
    let due = Infinity;
    if (frame.timeoutMs > 0) {
      due = clock.now() + frame.timeoutMs;
      this.#deadline = clock.after(frame.timeoutMs, () => this.#fail(fail("call_deadline", { ms: frame.timeoutMs })));
    }
    const key = frame.idempotencyKey;
    this.#context = new SessionCallContext(channel, host.context, frame.header, clock, due, key);
    this.#keyed = key !== "" && channel.contract.idempotency === "idempotent";
  }

  /** Begins to serve; `call.receiver` is set. Never throws. */
  static begin(
    call: Call,
    channel: Channel,
    coding: Coding,
    frame: OpenFrame,
    host: ServingHost,
    stranger: Stranger | undefined,
  ): void {
    const serving = new Serving(call, channel, coding, frame, host, stranger);
    call.receiver = serving;
    try {
      checkHeader(frame.header, host.limits);
      serving.#begin(frame);
    } catch (error) {
      serving.#failEarly(error);
    }
  }

  #begin(frame: OpenFrame): void {
    const kind = this.#channel.desc.methodKind;
    if (kind === "client_streaming" || kind === "bidi_streaming") {
      const requests = new MessageQueue<unknown>({
        decode: (payload) => this.#read(payload),
        consumed: (bytes) => this.#call.consumed(bytes),
        abandoned: () => {},
      });
      this.#requests = requests;
      this.#heard = true;
      if (frame.end) {
        if (frame.payload !== undefined) requests.push(frame.payload);
        requests.finish();
      }
      this.#runStream(requests);
    } else if (frame.end) this.#runSingle(frame.payload);
  }

  #runSingle(payload: Uint8Array | undefined): void {
    if (payload === undefined) throw fail("frame_unexpected", { frame: "end", state: "without the request" });
    const request = this.#read(payload);
    this.#heard = true;
    if (this.#channel.desc.methodKind === "unary") this.#runUnary(request);
    else if (this.#channel.interceptor === undefined) {
      // Straight from the handler's iterable: a generator in between would cost as much as the frame.
      const { handler } = this.#channel;
      const output = (handler as (request: unknown, context: SessionCallContext) => AsyncIterable<unknown>)(
        request,
        this.#context,
      );
      this.#pump(output).catch((error: unknown) => this.#fail(error));
    } else this.#runStream(singly(request));
  }

  #read(payload: Uint8Array): unknown {
    try {
      return this.#coding.decode(payload);
    } catch (error) {
      throw explained(ConnectError.from(error), this.#channel, this.#stranger);
    }
  }

  #runUnary(request: unknown): void {
    const { interceptor, handler } = this.#channel;
    if (interceptor !== undefined) {
      this.#intercepted(request).catch((error: unknown) => this.#fail(error));
      return;
    }
    const result = (handler as (request: unknown, context: SessionCallContext) => unknown)(request, this.#context);
    if (isPromise(result)) {
      result.then(
        (message) => this.#reply(message),
        (error: unknown) => this.#fail(error),
      );
    } else this.#reply(result);
  }

  #reply(message: unknown): void {
    const context = this.#context;
    try {
      const payload = written(this.#coding, message ?? {});
      if (this.#call.over) return this.#over();
      this.#call.finish(undefined, this.#header(), context.takeTrailer(), payload);
      this.#over();
    } catch (error) {
      this.#fail(error);
    }
  }

  #header(): readonly HeaderField[] | undefined {
    return withVersion(this.#context.takeHeader(), this.#channel, this.#stranger);
  }

  async #intercepted(request: unknown): Promise<void> {
    const { desc } = this.#channel;
    const context = this.#context;
    const next = (req: UnaryRequest): Promise<UnaryResponse> => this.#answer(req);
    const response = await this.#channel.interceptor!(next as never)(
      new InterceptedRequest(context, desc, false, request) as unknown as UnaryRequest,
    );
    if (response.header !== context.responseHeader) copyHeaders(response.header, context.responseHeader);
    if (response.trailer !== context.responseTrailer) copyHeaders(response.trailer, context.responseTrailer);
    this.#reply(response.message);
  }

  /** The handler, as interceptors see it. */
  #answer(request: UnaryRequest): Promise<UnaryResponse> {
    const handler = this.#channel.handler as (request: unknown, context: SessionCallContext) => unknown;
    this.#context.passOn(request.header, request.contextValues);
    try {
      const result = handler(request.message, this.#context);
      return isPromise(result)
        ? result.then((message) => this.#response(message, request))
        : Promise.resolve(this.#response(result, request));
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #response(result: unknown, { method }: UnaryRequest): UnaryResponse {
    const { desc } = this.#channel;
    const context = this.#context;
    const message = result ?? {};
    return {
      stream: false,
      service: desc.parent,
      method,
      header: context.responseHeader,
      trailer: context.responseTrailer,
      message: (isMessage(message) ? message : create(desc.output, message as never)) as UnaryResponse["message"],
    };
  }

  // ---- streams

  #runStream(requests: AsyncIterable<unknown>): void {
    this.#stream(requests).catch((error: unknown) => this.#fail(error));
  }

  async #stream(requests: AsyncIterable<unknown>): Promise<void> {
    const { interceptor } = this.#channel;
    if (interceptor === undefined) {
      await this.#pump(this.#invoke(requests));
      return;
    }
    const context = this.#context;
    const { desc } = this.#channel;
    const next = (req: StreamRequest): Promise<StreamResponse> => {
      context.passOn(req.header, req.contextValues);
      return Promise.resolve({
        stream: true,
        service: desc.parent,
        method: req.method,
        header: context.responseHeader,
        trailer: context.responseTrailer,
        message: whole(this.#invoke(req.message), desc.output) as StreamResponse["message"],
      });
    };
    const response = await interceptor(next as never)(
      new InterceptedRequest(context, desc, true, requests) as unknown as StreamRequest,
    );
    if (!response.stream) throw fail("handler_failed");
    if (response.header !== context.responseHeader) copyHeaders(response.header, context.responseHeader);
    await this.#pump(response.message);
    if (response.trailer !== context.responseTrailer) copyHeaders(response.trailer, context.responseTrailer);
  }

  /** The handler's output as a stream, whatever its shape. */
  #invoke(requests: AsyncIterable<unknown>): AsyncIterable<unknown> {
    const handler = this.#channel.handler as (request: unknown, context: SessionCallContext) => unknown;
    switch (this.#channel.desc.methodKind) {
      case "server_streaming":
        return fromFirst(requests, (request) => handler(request, this.#context) as AsyncIterable<unknown>);
      case "bidi_streaming":
        return handler(requests, this.#context) as AsyncIterable<unknown>;
      default:
        return once(() => handler(requests, this.#context));
    }
  }

  async #pump(output: AsyncIterable<unknown>): Promise<void> {
    const call = this.#call;
    const coding = this.#coding;
    const iterator = output[Symbol.asyncIterator]();
    this.#output = iterator;
    try {
      for (;;) {
        const result = await iterator.next();
        if (call.over) return;
        if (result.done === true) break;
        const payload = written(coding, result.value ?? {});
        if (this.#headerSent) call.send(payload);
        else {
          this.#headerSent = true;
          call.send(payload, this.#header());
        }
        if (!call.writable) await new Promise<void>((resolve) => (this.#room = resolve));
        if (call.over) return;
      }
      this.#output = undefined;
      call.finish(undefined, this.#headerSent ? undefined : this.#header(), this.#context.takeTrailer());
      this.#over();
    } finally {
      // Left early: the handler's generator gets its `finally`.
      if (this.#output !== undefined) {
        this.#output = undefined;
        await iterator.return?.();
      }
    }
  }

  // ---- what the session tells

  data(payload: Uint8Array): void {
    if (this.#requests !== undefined) this.#requests.push(payload);
    else if (this.#single === undefined) this.#single = payload;
    else this.#fail(fail("frame_unexpected", { frame: "data", state: "after the only request of the call" }));
  }

  end(frame: EndFrame): void {
    if (this.#requests !== undefined) {
      if (frame.payload !== undefined) this.#requests.push(frame.payload);
      this.#requests.finish();
      return;
    }
    try {
      this.#runSingle(frame.payload ?? this.#single);
    } catch (error) {
      this.#failEarly(error);
    }
  }

  cancelled(): void {
    this.#stop(fail("call_cancelled"));
  }
  lost(error: ConnectError): void {
    // A call that may come again by its key goes on, for as long as that could be: its reply is kept, and the retry gets it.
    if (this.#keyed) {
      const { path } = this.#channel;
      this.#orphan = this.#host.orphans.add(() => this.#stop(fail("outcome_unknown", { path })));
    } else this.#stop(error);
  }
  writable(): void {
    const room = this.#room;
    this.#room = undefined;
    room?.();
  }

  /** The call is over without an answer of ours. */
  #stop(error: ConnectError): void {
    this.#requests?.finish(error);
    this.#context.abort(error);
    this.#deadline?.[Symbol.dispose]();
    this.#orphan?.[Symbol.dispose]();
    this.writable();
    const output = this.#output;
    this.#output = undefined;
    try {
      output?.return?.()?.catch(() => {}); // the handler's own end; its error is nobody's any more
    } catch {
      // an iterator of the handler's own making may throw at once
    }
  }

  #failEarly(cause: unknown): void {
    if (!this.#heard) this.#host.refused(ConnectError.from(cause), this.#channel.path);
    this.#fail(cause);
  }

  #fail(cause: unknown): void {
    const error = shownError(cause, this.#host.log, this.#channel.path);
    const header = this.#headerSent ? undefined : this.#header();
    endCall(this.#call, error, this.#host.log, this.#channel.path, { header, trailer: this.#context.takeTrailer() });
    this.#stop(error);
  }

  #over(): void {
    this.#deadline?.[Symbol.dispose]();
    this.#orphan?.[Symbol.dispose]();
    this.#requests?.finish();
    this.#context.abort(doneError);
  }
}

/** The signal of a context is aborted when the call is complete, too: that is Connect's contract. */
const doneError = fail("call_cancelled");
function copyHeaders(from: Headers, to: Headers): void {
  for (const [key, value] of from) to.append(key, value);
}
