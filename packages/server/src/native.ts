// The same handlers, middleware and topics for clients that know nothing of Raceway: registered on a Connect router.
import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type ContextKey,
  type ContextValues,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
  type UnaryResponse,
  createContextKey,
} from "@connectrpc/connect";
import {
  type ByteMeter,
  type Clock,
  type DoorCompression,
  type Limits,
  type Logger,
  type Observer,
  type Position,
  callBytes,
  fail,
  peer as peerKey,
  transportName,
} from "@raceway/core";
import { type Admit, Entrance, Expiry } from "./admission.ts";
import { nativeContext } from "./call-context.ts";
import type { Channel } from "./channel.ts";
import { shownError } from "./shown-error.ts";
import type { TopicUse } from "./topics.ts";

export interface NativeHost {
  readonly limits: Limits;
  readonly log: Logger;
  readonly clock: Clock;
  readonly admit: Admit | undefined;
  readonly observer: Observer | undefined;
  readonly meter: ((context: ContextValues) => ByteMeter | undefined) | undefined;
  readonly compression: DoorCompression | undefined;
  /** Where admitted calls are noted while they run; undefined: nobody looks. */
  readonly calls: Set<NativeCall> | undefined;
  topicOf(channel: Channel, request: unknown): TopicUse;
  decodeProto(channel: Channel, payload: Uint8Array): unknown;
}

/** Request header of a topic at a native door: "start", or the position "epoch:offset" after which to begin; absent is "from now on". */
export const AFTER_HEADER = "raceway-after";
/** Response header of such a stream, there with its first message: the position before that. Each message is one further, so whoever counts them can go on from there. */
export const POSITION_HEADER = "raceway-position";

/** Registers the channels of one service, with every option named: a Connect router takes protocol switches and interceptors per service only. */
export function registerService(router: ConnectRouter, channels: readonly Channel[], host: NativeHost): void {
  const service = channels[0]!.service;
  const byMethod = new Map<DescMethod, Channel>(channels.map((channel) => [channel.desc, channel]));
  const implementation: Record<string, unknown> = {};
  for (const channel of channels) implementation[channel.desc.localName] = implement(channel, host);
  const middleware: Interceptor = (next) => async (req) => {
    const { contextValues: context } = req;
    context.set(transportName, "native");
    const channel = byMethod.get(req.method);
    const run: typeof next = (request) => {
      if (host.meter !== undefined) context.get(callBytes)?.admitted(host.meter(context));
      return channel?.interceptor === undefined ? next(request) : answering(channel.interceptor, next)(request);
    };
    if (host.admit === undefined) return run(req);
    const call = new NativeCall(req.signal, host.clock, context, host.calls);
    try {
      try {
        await call.admit(host.admit, req.header, context);
      } catch (cause) {
        const error = ConnectError.from(cause);
        host.observer?.refused?.({ what: "handshake", transport: "native", channel: channel?.path ?? "", error });
        throw cause;
      }
      context.set(callKey, call);
      const response = await call.unlessEnded(run(req));
      return response.stream ? { ...response, message: call.read(response.message) } : (call.over(), response);
    } catch (error) {
      call.over();
      throw shownError(error, host.log, channelPath(req.method));
    }
  };
  const options: ConnectRouterOptions = {
    grpc: true,
    grpcWeb: true,
    connect: true,
    readMaxBytes: host.limits.messageBytes,
    writeMaxBytes: host.limits.messageBytesOut,
    jsonOptions: { ignoreUnknownFields: true },
    interceptors: [middleware],
    ...(host.compression && {
      acceptCompression: [...host.compression.algorithms],
      compressMinBytes: host.compression.minBytes,
    }),
  };
  router.service(service, implementation as Partial<ServiceImpl<typeof service>>, options);
}

/** The answer that a plugin gave in place of the handler. */
const answerKey: ContextKey<UnaryResponse | undefined> = createContextKey<UnaryResponse | undefined>(undefined, {
  description: "answer of a plugin",
});

/**
 * An interceptor that may answer a unary call itself. Connect puts the headers and trailers of its protocol beside those of the handler, and an answer without them would be none
 * (grpc-status, for one). So an answer that came by itself is sent the handler's way, and given there.
 */
function answering(
  interceptor: Interceptor,
  next: Parameters<Interceptor>[0],
): (request: Parameters<Parameters<Interceptor>[0]>[0]) => ReturnType<Parameters<Interceptor>[0]> {
  return async (request) => {
    let asked = false;
    const response = await interceptor((passed) => {
      asked = true;
      return next(passed);
    })(request);
    if (asked || request.stream || response.stream) return response;
    request.contextValues.set(answerKey, response);
    return next(request);
  };
}

function given(answer: UnaryResponse, context: HandlerContext): unknown {
  for (const [name, value] of answer.header) context.responseHeader.append(name, value);
  for (const [name, value] of answer.trailer) context.responseTrailer.append(name, value);
  return answer.message;
}

/** Its signal is aborted when the call is over, or its credential is. Undefined: nobody had to admit it. */
const callKey: ContextKey<NativeCall | undefined> = createContextKey<NativeCall | undefined>(undefined, {
  description: "native call",
});

const channelPath = (method: DescMethod): string => `/${method.parent.typeName}/${method.name}`;

/** One call at a native door: admitted like a session, and ended like one when its credential is. */
export class NativeCall {
  readonly context: ContextValues;
  /** When it came, by the host's clock, in milliseconds; 0 where it is not noted. */
  readonly since: number;
  /** Of the topic that it reads. */
  address: string | undefined;
  readonly #end = new AbortController();
  readonly #client: AbortSignal;
  readonly #all: Set<NativeCall> | undefined;
  readonly #expiry: Expiry;
  readonly #gone = (): void => this.#end.abort(this.#client.reason);

  /** `all`: where it is noted until it is over. */
  constructor(client: AbortSignal, clock: Clock, context: ContextValues, all: Set<NativeCall> | undefined) {
    this.context = context;
    this.#client = client;
    this.#all = all?.add(this);
    this.since = all === undefined ? 0 : clock.now();
    this.#expiry = new Expiry(clock, (error) => this.end(error));
    client.addEventListener("abort", this.#gone, { once: true });
    if (client.aborted) this.#gone();
  }

  get endedSignal(): AbortSignal {
    return this.#end.signal;
  }
  end(error: ConnectError): void {
    this.#end.abort(error);
  }

  /** Every native request comes by here: a check cannot be passed by choosing another way in. */
  async admit(admit: Admit, headers: Headers, context: ContextValues): Promise<void> {
    const entrance = new Entrance(
      {
        kind: "native",
        peer: context.get(peerKey),
        transport: "native",
        credential: headers.get("authorization") ?? undefined,
        headers,
        context,
      },
      this,
    );
    await admit(entrance);
    const expire = (): void => this.#expiry.set(entrance.expiresMs);
    entrance.take(expire);
    expire();
  }

  /** The answer, or the end if that comes first. */
  unlessEnded<T>(answer: Promise<T>): Promise<T> {
    const { signal } = this.#end;
    return new Promise((resolve, reject) => {
      const ended = (): void => reject(signal.reason as Error);
      if (signal.aborted) ended();
      signal.addEventListener("abort", ended);
      answer.then(resolve, reject).finally(() => signal.removeEventListener("abort", ended));
    });
  }

  async *read<T>(messages: AsyncIterable<T>): AsyncGenerator<T> {
    const iterator = messages[Symbol.asyncIterator]();
    let done = false;
    try {
      for (;;) {
        const next = await this.unlessEnded(iterator.next());
        if (next.done === true) {
          done = true;
          return;
        }
        yield next.value;
      }
    } finally {
      this.over();
      if (!done) iterator.return?.().catch(() => {}); // its handler sees the signal, and may take its time
    }
  }

  over(): void {
    this.#all?.delete(this);
    this.#expiry[Symbol.dispose]();
    this.#client.removeEventListener("abort", this.#gone);
    this.#end.abort(fail("call_cancelled"));
  }
}

function implement(channel: Channel, host: NativeHost): unknown {
  if (channel.gated) {
    return (request: unknown, context: HandlerContext) => readTopic(channel, request, context, host);
  }
  const handler = channel.handler as (request: unknown, context: HandlerContext) => unknown;
  switch (channel.desc.methodKind) {
    case "unary":
    case "client_streaming":
      return async (request: unknown, context: HandlerContext) => {
        const answer = context.values.get(answerKey);
        if (answer !== undefined) return given(answer, context);
        try {
          return (
            (await handler(request, nativeContext(context, channel.fail, context.values.get(callKey)?.endedSignal))) ??
            {}
          );
        } catch (error) {
          throw shownError(error, host.log, channel.path);
        }
      };
    default:
      return async function* stream(request: unknown, context: HandlerContext) {
        try {
          yield* handler(
            request,
            nativeContext(context, channel.fail, context.values.get(callKey)?.endedSignal),
          ) as AsyncIterable<unknown>;
        } catch (error) {
          throw shownError(error, host.log, channel.path);
        }
      };
  }
}

/** A topic as a plain stream: reads on in the log whenever something was appended, so a slow reader costs no memory. */
async function* readTopic(
  channel: Channel,
  request: unknown,
  context: HandlerContext,
  host: NativeHost,
): AsyncGenerator<unknown> {
  const { topic, release } = host.topicOf(channel, request);
  const call = context.values.get(callKey);
  if (call !== undefined) call.address = topic.address;
  const signal = call?.endedSignal ?? context.signal;
  const wake = (): void => topic.wake();
  signal.addEventListener("abort", wake);
  try {
    const { address } = topic;
    const { values, requestHeader: header } = context;
    const gate = channel.gate?.subscribe;
    if (gate !== undefined) {
      try {
        await gate({ kind: "subscribe", address, request, context: values, header, ended: signal });
      } catch (cause) {
        const error = ConnectError.from(cause);
        host.observer?.refused?.({ what: "subscription", transport: "native", channel: channel.path, error });
        throw cause;
      }
    }
    await topic.ready;
    let after = parseAfter(context.requestHeader.get(AFTER_HEADER)) ?? { epoch: topic.epoch, offset: topic.fanned };
    let told = false;
    while (!signal.aborted) {
      const changed = topic.changed(); // asked before the read, so that nothing falls between
      const page = await topic.log.read(topic.address, after === "start" ? "start" : after, {
        maxEntries: 256,
        maxBytes: 256 * 1024,
      });
      if (page.kind === "reset") {
        throw fail("history_gone", {
          address: topic.address,
          epoch: page.epoch,
          first: page.first,
          after: after === "start" ? 0 : after.offset,
        });
      }
      if (!told) {
        const before =
          page.entries.length > 0 ? page.entries[0]!.offset - 1 : after === "start" ? page.head : after.offset;
        context.responseHeader.set(POSITION_HEADER, `${page.epoch}:${before}`);
        told = true;
      }
      for (const entry of page.entries) yield host.decodeProto(channel, entry.payload);
      after = {
        epoch: page.epoch,
        offset: page.entries.at(-1)?.offset ?? (after === "start" ? page.head : after.offset),
      };
      if (page.entries.length === 0) await changed;
    }
  } finally {
    signal.removeEventListener("abort", wake);
    release();
  }
}

function parseAfter(value: string | null): Position | "start" | undefined {
  if (value === null) return undefined;
  if (value === "start") return "start";
  const match = /^([^:]{1,64}):(\d{1,15})$/.exec(value);
  if (match === null)
    throw new ConnectError(
      `Header ${AFTER_HEADER} is ${JSON.stringify(value.slice(0, 80))}; expected "start" or "epoch:offset".`,
      Code.InvalidArgument,
    );
  return { epoch: match[1]!, offset: Number(match[2]) };
}
