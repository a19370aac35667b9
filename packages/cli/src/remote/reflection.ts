// The schemas of a running server, as it gives them itself: asked by `grpc.reflection.v1.ServerReflection`, over the transports by which it is called.
import { create, fromBinary, type MessageInitShape } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  type FileDescriptorProto,
  type FileDescriptorSet,
} from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import { callDuplex, type Connection } from "@raceway/client";
import { reasonOf } from "@raceway/core";
import { type CommandContext, UsageError } from "../context.ts";
import {
  ServerReflection,
  type ServerReflectionRequestSchema,
  type ServerReflectionResponse,
} from "../gen/grpc/reflection/v1/reflection_pb.ts";
import { codeName, isUnreachable } from "./call-error.ts";
import { dial } from "./dial.ts";
import type { RemoteArguments } from "./remote-arguments.ts";
import { strangerText } from "./stranger-text.ts";

export interface ReflectedSchemas {
  /** Full names of what is served, but for reflection itself. */
  readonly services: readonly string[];
  /** Imports come before whom they are imported by. */
  readonly set: FileDescriptorSet;
}

/** Files that are taken from one server; it names them, so there has to be an end. */
const MOST_FILES = 10_000;

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>;
type Answer = ServerReflectionResponse["messageResponse"];

/** Throws a {@link UsageError} if the server gives none, or not to us; an `Error` if it cannot be reached. `otherwise` says what to do without it. */
export async function reflect(
  args: RemoteArguments,
  context: CommandContext,
  otherwise: string,
): Promise<ReflectedSchemas> {
  try {
    await using connection = await dial(args, context);
    context.progress(`asking ${args.url} for its schemas`);
    return await schemasOf(connection, args.timeout * 1000, context.stopping());
  } catch (thrown) {
    if (!(thrown instanceof ConnectError)) throw thrown;
    if (isUnreachable(thrown))
      throw new Error(`${args.url} cannot be reached: ${strangerText(thrown.rawMessage)}`, { cause: thrown });
    throw new UsageError(refusalText(args.url, thrown, otherwise), { cause: thrown });
  } finally {
    context.progress("");
  }
}

function refusalText(url: string, error: ConnectError, otherwise: string): string {
  const said = `${codeName(error.code)}: ${strangerText(error.rawMessage)}`;
  switch (error.code) {
    case Code.Unimplemented:
      return reasonOf(error) === "channel_unknown"
        ? `${url} does not give its schemas: it has no reflection. Mount serveReflection of @raceway/server/reflection, or ${otherwise}.`
        : `${url} did not give its schemas: ${said}`;
    case Code.Unauthenticated:
      return `${url} does not give its schemas to who is unknown (${said}). Say who you are with --token or --header, or ${otherwise}.`;
    case Code.PermissionDenied:
      return `${url} does not give you its schemas (${said}). Ask as somebody whom the rule of its reflection lets in, or ${otherwise}.`;
    default:
      return `${url} did not give its schemas: ${said}`;
  }
}

async function schemasOf(connection: Connection, limitMs: number, stopping: AbortSignal): Promise<ReflectedSchemas> {
  const conversation = new Conversation(connection, limitMs, stopping);
  try {
    const listed = await conversation.ask({ case: "listServices", value: "" });
    if (listed.case !== "listServicesResponse") throw unexpected("the list of its services", listed);
    const services = listed.value.service
      .map(({ name }) => name)
      .filter((name) => !name.startsWith("grpc.reflection."));
    const strange = services.find((name) => !/^\w+(?:\.\w+)*$/.test(name));
    if (strange !== undefined) throw new Error(`The server serves ${JSON.stringify(strange)}, which is no name.`);
    const files = new Map<string, FileDescriptorProto>();
    const take = async (question: Question, what: string): Promise<void> => {
      const answer = await conversation.ask(question);
      if (answer.case !== "fileDescriptorResponse") throw unexpected(what, answer);
      for (const bytes of answer.value.fileDescriptorProto) {
        const file = fromBinary(FileDescriptorProtoSchema, bytes);
        files.set(file.name, file);
      }
      if (files.size > MOST_FILES) throw new Error(`The server has more than ${MOST_FILES} schema files.`);
    };
    for (const name of services) await take({ case: "fileContainingSymbol", value: name }, name);
    // A map goes on over what is added to it.
    for (const { dependency } of files.values())
      for (const name of dependency) {
        if (!files.has(name)) await take({ case: "fileByFilename", value: name }, name);
        if (!files.has(name))
          throw new Error(`The server gave another file than ${strangerText(name)}, for which it was asked.`);
      }
    return { services, set: create(FileDescriptorSetSchema, { file: importsFirst(files) }) };
  } finally {
    conversation.end();
  }
}

function unexpected(what: string, answer: Answer): Error {
  const said = answer.case === "errorResponse" ? strangerText(answer.value.errorMessage) : "it answered something else";
  return new Error(`The server lists services, and does not give ${what}: ${said}`);
}

/** Questions and answers, in turn, over one call. */
class Conversation {
  readonly #answers: AsyncIterator<ServerReflectionResponse>;
  readonly #over = new AbortController();
  #turn = Promise.withResolvers<Question | undefined>();

  constructor(connection: Connection, limitMs: number, stopping: AbortSignal) {
    const { serverReflectionInfo } = ServerReflection.method;
    const options = { signal: AbortSignal.any([this.#over.signal, stopping]), timeoutMs: limitMs };
    const answers = callDuplex(connection, serverReflectionInfo, { kind: "duplex" }, this.#questions(), options);
    this.#answers = answers[Symbol.asyncIterator]();
  }

  async *#questions(): AsyncGenerator<MessageInitShape<typeof ServerReflectionRequestSchema>> {
    for (;;) {
      const messageRequest = await this.#turn.promise;
      if (messageRequest === undefined) return;
      this.#turn = Promise.withResolvers();
      yield { messageRequest };
    }
  }

  async ask(question: Question): Promise<Answer> {
    this.#turn.resolve(question);
    const answer = await this.#answers.next();
    if (answer.done === true) throw new Error("The server ended the conversation about its schemas.");
    return answer.value.messageResponse;
  }

  end(): void {
    this.#turn.resolve(undefined);
    this.#over.abort();
  }
}

function importsFirst(files: ReadonlyMap<string, FileDescriptorProto>): FileDescriptorProto[] {
  const sorted = new Set<FileDescriptorProto>();
  const open = new Set<string>();
  const add = (name: string): void => {
    const file = files.get(name);
    if (file === undefined || sorted.has(file)) return;
    if (open.has(name)) throw new Error(`The server's ${strangerText(name)} imports itself.`);
    open.add(name);
    for (const one of file.dependency) add(one);
    sorted.add(file);
  };
  for (const name of files.keys()) add(name);
  return [...sorted];
}
