// `raceway subscribe`: what it does.
import { toJson } from "@bufbuild/protobuf";
import { type Gap, subscribeTopic, type TopicOptions } from "@raceway/client";
import { type CommandContext, Exit, UsageError } from "../context.ts";
import { tellCallError } from "../remote/call-error.ts";
import { channelNamed, loadChannels } from "../remote/channels.ts";
import { dial, headersOf } from "../remote/dial.ts";
import { jsonText, readMessage } from "../remote/messages.ts";
import type { SubscribeArguments } from "./subscribe.ts";

export async function runSubscribe(args: SubscribeArguments, context: CommandContext): Promise<number> {
  const { name, method, contract, registry } = channelNamed(await loadChannels(args, context), args.channel);
  if (method.methodKind !== "server_streaming" || contract.kind !== "topic")
    throw new UsageError(`${name} is a ${contract.kind}, no topic. Use raceway call.`);
  const from = positionOf(args.from);
  const { count = Infinity } = args;
  if (count !== Infinity && !(Number.isInteger(count) && count >= 1))
    throw new UsageError("--count has to be a whole number from 1.");
  const key = readMessage(method.input, args.key, registry, "The key");
  const signal = context.stopping();
  try {
    await using connection = await dial(args, context);
    const events = subscribeTopic(connection, method, contract, key, {
      from,
      signal,
      headers: headersOf(args.header),
      onReset: (reset) => context.warn("reset", resetText(reset), { reset }),
    });
    let seen = 0;
    for await (const message of events) {
      const event = toJson(method.output, message, { registry });
      context.out(`${jsonText(args.json ? { position: events.position, event } : event)}\n`);
      if (++seen >= count) break;
    }
    return Exit.fine;
  } catch (error) {
    return signal.aborted ? Exit.fine : tellCallError(error, args.json, context);
  }
}

/** "boards/a: gone are the events after 3d53:7, reading goes on at 9". */
function resetText({ after, first, epoch }: Gap): string {
  const before = after.epoch === epoch ? "" : `, whose history is no longer there (it is ${epoch} now)`;
  return `events are missing: after ${after.epoch}:${after.offset}${before}, the oldest that is kept is ${first}`;
}

function positionOf(text: string): NonNullable<TopicOptions["from"]> {
  if (text === "now" || text === "start") return text;
  const [, epoch, offset] = /^(.+):(\d+)$/.exec(text) ?? [];
  if (epoch === undefined || offset === undefined)
    throw new UsageError(`--from is ${text}; it has to be now, start or a position as EPOCH:OFFSET.`);
  return { epoch, offset: Number(offset) };
}
