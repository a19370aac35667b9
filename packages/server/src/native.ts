// The same handlers, middleware and topics for clients that know nothing of Raceway: registered on a Connect router.
import type { DescMethod } from "@bufbuild/protobuf";
import {
  Code,
  ConnectError,
  type ConnectRouter,
  type ConnectRouterOptions,
  type HandlerContext,
  type Interceptor,
  type ServiceImpl,
} from "@connectrpc/connect";
import {
  type Limits,
  type Logger,
  type Opening,
  type Peer,
  type Position,
  fail,
  peer as peerKey,
  transportName,
} from "@raceway/core";
import { nativeContext } from "./call-context.ts";
import type { Channel } from "./channel.ts";
import { shownError } from "./serving.ts";
import type { Topic } from "./topic.ts";

export interface NativeHost {
  readonly limits: Limits;
  readonly log: Logger;
  readonly admit: ((opening: Opening) => void | Promise<void>) | undefined;
  topicOf(channel: Channel, request: unknown): { readonly topic: Topic; release(): void };
  decodeProto(channel: Channel, payload: Uint8Array): unknown;
}

/** Request header of a topic at a native door: "start", or the position "epoch:offset" after which to begin; absent is "from now on". */
export const AFTER_HEADER = "raceway-after";

/** Registers the channels of one service, with every option named: a Connect router takes protocol switches and interceptors per service only. */
export function registerService(router: ConnectRouter, channels: readonly Channel[], host: NativeHost): void {
  const service = channels[0]!.service;
  const byMethod = new Map<DescMethod, Channel>(channels.map((channel) => [channel.desc, channel]));
  const implementation: Record<string, unknown> = {};
  for (const channel of channels) implementation[channel.desc.localName] = implement(channel, host);
  const middleware: Interceptor = (next) => async (req) => {
    if (host.admit !== undefined)
      await admitNative(host.admit, req.header, req.contextValues.get(peerKey), req.contextValues, req.signal);
    const channel = byMethod.get(req.method);
    return channel?.interceptor === undefined ? next(req) : channel.interceptor(next)(req);
  };
  const options: ConnectRouterOptions = {
    grpc: true,
    grpcWeb: true,
    connect: true,
    readMaxBytes: host.limits.messageBytes,
    writeMaxBytes: host.limits.messageBytesOut,
    jsonOptions: { ignoreUnknownFields: true },
    interceptors: [middleware],
  };
  router.service(service, implementation as Partial<ServiceImpl<typeof service>>, options);
}

/** Every native request comes by here: a check cannot be passed by choosing another way in. */
async function admitNative(
  admit: (opening: Opening) => void | Promise<void>,
  headers: Headers,
  peer: Peer,
  context: Opening["context"],
  ended: AbortSignal,
): Promise<void> {
  context.set(transportName, "native");
  let over: ConnectError | undefined;
  await admit({
    kind: "native",
    peer,
    transport: "native",
    credential: headers.get("authorization") ?? undefined,
    headers,
    context,
    ended,
    end: (error) => void (over = error),
  });
  if (over !== undefined) throw over;
}

function implement(channel: Channel, host: NativeHost): unknown {
  if (channel.contract.kind === "topic" && channel.handler === undefined) {
    return (request: unknown, context: HandlerContext) => readTopic(channel, request, context, host);
  }
  const handler = channel.handler as (request: unknown, context: HandlerContext) => unknown;
  switch (channel.desc.methodKind) {
    case "unary":
    case "client_streaming":
      return async (request: unknown, context: HandlerContext) => {
        try {
          return (await handler(request, nativeContext(context))) ?? {};
        } catch (error) {
          throw shownError(error, host.log, channel.path);
        }
      };
    default:
      return async function* stream(request: unknown, context: HandlerContext) {
        try {
          yield* handler(request, nativeContext(context)) as AsyncIterable<unknown>;
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
  const { signal } = context;
  const wake = (): void => topic.wake();
  signal.addEventListener("abort", wake);
  try {
    await channel.gate?.subscribe?.(topic.address, context.values);
    await topic.ready;
    let after = parseAfter(context.requestHeader.get(AFTER_HEADER)) ?? { epoch: topic.epoch, offset: topic.fanned };
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
