// `raceway call`: what it does.
import type { DescMessage, MessageShape } from "@bufbuild/protobuf";
import {
  callDuplex,
  callFeed,
  type CallOptions,
  callUnary,
  callUpload,
  type Connection,
  subscribeTopic,
} from "@raceway/client";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { tellCallError } from "../remote/call-error.ts";
import { channelNamed, loadChannels, type RemoteChannel } from "../remote/channels.ts";
import { dial, headersOf } from "../remote/dial.ts";
import { messageText, readMessages, readOneMessage } from "../remote/messages.ts";
import { checkSeconds } from "../seconds.ts";
import type { CallArguments } from "./call.ts";

export async function runCall(args: CallArguments, context: CommandContext): Promise<number> {
  const channel = channelNamed(await loadChannels(args, context), args.channel);
  const { method, registry } = channel;
  const timeout = args["call-timeout"];
  if (timeout !== undefined) checkSeconds("call-timeout", timeout);
  const requests = await requestsOf(channel, args, context);
  const signal = context.stopping();
  const options: CallOptions = {
    headers: headersOf(args.header),
    signal,
    ...(timeout !== undefined && { timeoutMs: timeout * 1000 }),
  };
  try {
    await using connection = await dial(args, context);
    for await (const reply of repliesTo(channel, connection, requests, options))
      context.out(`${messageText(method.output, reply, registry, !isStream(channel) && !args.json)}\n`);
    return Exit.fine;
  } catch (error) {
    if (!signal.aborted) return tellCallError(error, args.json, context);
    return isStream(channel) ? Exit.fine : Exit.interrupted; // of a stream one has enough, but not of no reply
  }
}

type Message = MessageShape<DescMessage>;

/** The first, if there is one, was read: what cannot be is told before anybody is called. */
async function requestsOf(
  channel: RemoteChannel,
  { request }: CallArguments,
  context: CommandContext,
): Promise<AsyncGenerator<Message>> {
  const { method, registry, name } = channel;
  if (takesStream(channel)) {
    const requests = readMessages(method.input, request, registry, context);
    return withFirst(await requests.next(), requests);
  }
  const only = await readOneMessage(method.input, request, registry, context);
  if (only === undefined)
    throw new UsageError(`There is no request. ${name} takes a ${method.input.typeName}, as '{}'.`);
  return just(only);
}

async function* repliesTo(
  { method, contract }: RemoteChannel,
  connection: Connection,
  requests: AsyncGenerator<Message>,
  options: CallOptions,
): AsyncGenerator<Message> {
  const only = async (): Promise<Message> => ((await requests.next()) as IteratorYieldResult<Message>).value;
  switch (method.methodKind) {
    case "unary":
      yield await callUnary(connection, method, contract, await only(), options);
      break;
    case "server_streaming": {
      const open = contract.kind === "topic" ? subscribeTopic : callFeed;
      yield* open(connection, method, contract, await only(), options);
      break;
    }
    case "client_streaming":
      yield await callUpload(connection, method, contract, requests, options);
      break;
    case "bidi_streaming":
      yield* callDuplex(connection, method, contract, requests, options);
  }
}

const isStream = ({ method }: RemoteChannel): boolean =>
  method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming";
const takesStream = ({ method }: RemoteChannel): boolean =>
  method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming";

async function* withFirst(first: IteratorResult<Message>, rest: AsyncGenerator<Message>): AsyncGenerator<Message> {
  if (first.done === true) return;
  yield first.value;
  yield* rest;
}

async function* just(only: Message): AsyncGenerator<Message> {
  yield only;
}
