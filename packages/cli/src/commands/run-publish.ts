// `raceway publish`: what it does.
import { toJson } from "@bufbuild/protobuf";
import { callUpload, openSignal } from "@raceway/client";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { tellCallError } from "../remote/call-error.ts";
import { channelNamed, loadChannels } from "../remote/channels.ts";
import { dial, headersOf } from "../remote/dial.ts";
import { readMessages } from "../remote/messages.ts";
import type { PublishArguments } from "./publish.ts";

export async function runPublish(args: PublishArguments, context: CommandContext): Promise<number> {
  const { name, method, contract, registry } = channelNamed(await loadChannels(args, context), args.channel);
  if (method.methodKind !== "client_streaming") {
    const advice =
      contract.kind === "topic"
        ? "Its events are published by the server's handlers: call the method that does."
        : "Use raceway call.";
    throw new UsageError(`${name} is a ${contract.kind}, which takes no stream of messages. ${advice}`);
  }
  const signal = context.stopping();
  const options = { headers: headersOf(args.header) };
  let messages = 0;
  const counted = async function* (): ReturnType<typeof readMessages<typeof method.input>> {
    for await (const message of readMessages(method.input, args.message, registry, context)) {
      messages++;
      yield message;
    }
  };
  try {
    await using connection = await dial(args, context);
    let reply: unknown;
    if (contract.kind === "signal") {
      await using sender = openSignal(connection, method, contract, options);
      for await (const message of counted()) {
        if (signal.aborted) break;
        sender.send(message);
      }
    } else {
      reply = toJson(method.output, await callUpload(connection, method, contract, counted(), { ...options, signal }), {
        registry,
      });
    }
    if (args.json) context.out(`${JSON.stringify({ messages, reply })}\n`);
    else {
      if (reply !== undefined) context.out(`${JSON.stringify(reply, undefined, 2)}\n`);
      context.err(`${messages} message${messages === 1 ? "" : "s"} sent\n`);
    }
    return Exit.fine;
  } catch (error) {
    return signal.aborted ? Exit.fine : tellCallError(error, args.json, context);
  }
}
