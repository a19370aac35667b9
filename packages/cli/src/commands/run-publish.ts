// `raceway publish`: what it does.
import { type DescMessage, toBinary, toJson } from "@bufbuild/protobuf";
import { Code, ConnectError } from "@connectrpc/connect";
import { callUnary, callUpload, type Connection, openSignal } from "@raceway/client";
import { compileAddress, limitTable, reasonOf } from "@raceway/core";
import { Admin, adminContract } from "@raceway/core/admin";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { tellCallError } from "../remote/call-error.ts";
import { channelNamed, loadChannels, type RemoteChannel } from "../remote/channels.ts";
import { dial, headersOf } from "../remote/dial.ts";
import { jsonText, readMessage, readMessages } from "../remote/messages.ts";
import type { PublishArguments } from "./publish.ts";

/** How messages get to a channel. */
interface Sending {
  /** What each is. */
  readonly message: DescMessage;
  /** Gives what the command says of it in the end, to people and to programs. */
  send(connection: Connection, messages: ReturnType<typeof readMessages>, signal: AbortSignal): Promise<Sent>;
}
interface Sent {
  readonly reply?: unknown;
  readonly address?: string;
  readonly position?: { readonly epoch: string; readonly offset: number };
}

export async function runPublish(args: PublishArguments, context: CommandContext): Promise<number> {
  const channel = channelNamed(await loadChannels(args, context), args.channel);
  const sending = sendingTo(channel, args);
  const signal = context.stopping();
  let count = 0;
  const counted = async function* (): ReturnType<typeof readMessages> {
    try {
      for await (const message of readMessages(sending.message, args.message, channel.registry, context)) {
        if (signal.aborted) return;
        yield message;
        count++; // the next is asked for when this one was dealt with
      }
    } catch (error) {
      if (!signal.aborted) throw error; // else there is nothing more to read
    }
  };
  try {
    await using connection = await dial(args, context);
    const { reply, ...sent } = await sending.send(connection, counted(), signal);
    if (args.json) context.out(`${jsonText({ messages: count, reply, ...sent })}\n`);
    else if (reply !== undefined) context.out(`${jsonText(reply, true)}\n`);
    if (!args.json) context.note(summary(count, sent)); // else it is in the object
    return Exit.fine;
  } catch (error) {
    if (count > 0)
      context.note(`${summary(count, {})} before it ${signal.aborted ? "was stopped" : "failed"}`, { messages: count });
    return signal.aborted ? Exit.interrupted : tellCallError(error, args.json, context);
  }
}

function summary(count: number, { address, position }: Sent): string {
  const sent = `${count} message${count === 1 ? "" : "s"} sent`;
  return position === undefined ? sent : `${sent} to ${address}, the last at ${position.epoch}:${position.offset}`;
}

/** Throws a {@link UsageError} for what takes no messages, or a key that is none. */
function sendingTo(channel: RemoteChannel, args: PublishArguments): Sending {
  const { method, contract, name, registry } = channel;
  if (contract.kind === "topic" && method.methodKind === "server_streaming") return publishing(channel, args);
  if (args.key !== undefined) throw new UsageError(`--key is for topics; ${name} is a ${contract.kind}.`);
  if (method.methodKind !== "client_streaming")
    throw new UsageError(`${name} is a ${contract.kind}, which takes no stream of messages. Use raceway call.`);
  const headers = headersOf(args.header);
  return {
    message: method.input,
    async send(connection, messages, signal) {
      if (contract.kind !== "signal") {
        const reply = await callUpload(connection, method, contract, messages, { headers, signal });
        return { reply: toJson(method.output, reply, { registry }) };
      }
      await using sender = openSignal(connection, method, contract, { headers });
      for await (const message of messages) sender.send(message);
      return {};
    },
  };
}

/** To a topic, by the server's admin service: one after the other, each once. */
function publishing({ name, method, contract, registry }: RemoteChannel, args: PublishArguments): Sending {
  const address = addressOf({ name, method, contract, registry }, args.key ?? "{}");
  const headers = headersOf(args.header);
  return {
    message: method.output,
    async send(connection, messages, signal) {
      let position: Sent["position"];
      for await (const message of messages) {
        const event = { case: "binary", value: toBinary(method.output, message) } as const;
        const request = { address, channel: name, event };
        const options = { headers, signal };
        const { publish } = adminContract.channels;
        const { epoch, offset } = await callUnary(connection, Admin.method.publish, publish!, request, options).catch(
          explained,
        );
        position = { epoch, offset: Number(offset) };
      }
      return { address, ...(position !== undefined && { position }) };
    },
  };
}

function addressOf({ name, method, contract, registry }: RemoteChannel, key: string): string {
  const message = readMessage(method.input, key, registry, "--key");
  try {
    return compileAddress(`/${name}`, contract, { addressBytes: limitTable.addressBytes.max })(message);
  } catch (error) {
    throw new UsageError(`--key names no topic: ${ConnectError.from(error).rawMessage}`, { cause: error });
  }
}

/** A server that knows no such service cannot say what it is for. */
function explained(thrown: unknown): never {
  const error = ConnectError.from(thrown);
  if (error.code !== Code.Unimplemented || reasonOf(error) !== "channel_unknown") throw error;
  const better = new ConnectError(
    `Topics are published to by ${Admin.typeName}, which this server does not have. Mount it with serveAdmin of @raceway/server/admin, or call a method whose handler publishes.`,
    error.code,
  );
  better.details.push(...error.details);
  throw better;
}
