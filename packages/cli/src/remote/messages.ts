// Messages as text: JSON in protobuf's mapping, from an argument or one a line from standard input, and back.
import {
  type DescMessage,
  fromJson,
  type JsonValue,
  type MessageShape,
  type Registry,
  toJson,
} from "@bufbuild/protobuf";
import { type CommandContext, UsageError } from "../context.ts";

/** Throws a {@link UsageError} that says where the text is wrong. `where` names it to people. */
export function readMessage<D extends DescMessage>(
  desc: D,
  text: string,
  registry: Registry,
  where: string,
): MessageShape<D> {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw new UsageError(`${where} is no JSON: ${(error as Error).message}.`, { cause: error });
  }
  try {
    return fromJson(desc, json, { registry });
  } catch (error) {
    const fields = desc.fields.map(({ jsonName }) => jsonName).join(", ") || "none";
    throw new UsageError(`${where} is no ${desc.typeName}: ${(error as Error).message}. Its fields are: ${fields}.`, {
      cause: error,
    });
  }
}

/** From an argument, if there is one; else one a line from standard input, as they come. Empty lines are passed over. */
export async function* readMessages<D extends DescMessage>(
  desc: D,
  given: string | undefined,
  registry: Registry,
  { input }: CommandContext,
): AsyncGenerator<MessageShape<D>> {
  if (given !== undefined) {
    yield readMessage(desc, given, registry, "The message");
    return;
  }
  let line = 0;
  for await (const text of linesOf(input)) {
    line++;
    if (text.trim() !== "") yield readMessage(desc, text, registry, `Line ${line}`);
  }
}

/** One line of JSON; indented for people. */
export function messageText(
  desc: DescMessage,
  message: MessageShape<DescMessage>,
  registry: Registry,
  indented: boolean,
): string {
  return JSON.stringify(toJson(desc, message, { registry }), undefined, indented ? 2 : undefined);
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
