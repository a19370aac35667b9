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
  context: CommandContext,
): AsyncGenerator<MessageShape<D>> {
  if (given !== undefined) {
    yield readMessage(desc, given, registry, "The message");
    return;
  }
  if (context.typed) context.note(`type each ${desc.typeName} as JSON on a line of its own; Ctrl-D ends them`);
  let line = 0;
  for await (const text of linesOf(context.input)) {
    line++;
    if (text.trim() !== "") yield readMessage(desc, text, registry, `Line ${line}`);
  }
}

/** From an argument, if there is one; else all of standard input. Undefined if there is nothing in it. */
export async function readOneMessage<D extends DescMessage>(
  desc: D,
  given: string | undefined,
  registry: Registry,
  context: CommandContext,
): Promise<MessageShape<D> | undefined> {
  if (given !== undefined) return readMessage(desc, given, registry, "The request");
  if (context.typed) context.note(`type a ${desc.typeName} as JSON; Ctrl-D ends it`);
  let text = "";
  for await (const line of linesOf(context.input)) {
    text += `${line}\n`;
    refuseLong(text.length, "The request");
  }
  return text.trim() === "" ? undefined : readMessage(desc, text, registry, "The request");
}

/** One line of JSON; indented for people. */
export function messageText(
  desc: DescMessage,
  message: MessageShape<DescMessage>,
  registry: Registry,
  indented: boolean,
): string {
  return jsonText(toJson(desc, message, { registry }), indented);
}

/** JSON of what a stranger said: with nothing in it that a terminal would obey (C1 controls; the others are escaped by JSON itself). */
export function jsonText(value: unknown, indented = false): string {
  return JSON.stringify(value, undefined, indented ? 2 : undefined).replaceAll(
    /[\u007f-\u009f]/g,
    (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`,
  );
}

/** Signs that a message may have as text: more than any server takes, and less than memory does. */
const MOST_SIGNS = 64 * 1024 * 1024;

function refuseLong(signs: number, where: string): void {
  if (signs > MOST_SIGNS) throw new UsageError(`${where} is longer than ${MOST_SIGNS / 1024 / 1024} MiB.`);
}

async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of input) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    refuseLong(rest.length, "A line");
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
