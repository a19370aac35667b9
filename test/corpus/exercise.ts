// Every method of an API once: a generated client, a server in memory, and handlers that answer with sample messages of the schema.
import { join } from "node:path";
import { type DescMethod, equals, type Message } from "@bufbuild/protobuf";
import type { Transport } from "@connectrpc/connect";
import type { CallOptions } from "@raceway/client";
import type { ServiceDefinition } from "@raceway/core";
import { type MockedService, mockService, sample, testApp } from "@raceway/testing";
import type { GeneratedApi } from "./generated-api.ts";

/** Of how many methods a client got what the handler sent, and the handler what the client sent. */
export interface Exercised {
  /** One message, one reply. */
  readonly unary: number;
  /** One side or both send many messages. */
  readonly streams: number;
  /** What went wrong, each with the method's name. */
  readonly failures: readonly string[];
}

/** Messages of a request that is a stream. */
const SENT = 2;
/** Far longer than any call takes, in milliseconds of real time: a call that hangs fails. */
const PATIENCE_MS = 20_000;

type Service = ServiceDefinition<object, object>;
type Client = Readonly<Record<string, (request: unknown, options: CallOptions) => unknown>>;
interface Served {
  readonly service: Service;
  readonly mock: MockedService<Readonly<Record<string, unknown>>>;
  readonly client: (connection: Transport) => Client;
}

/** Throws if the generated code cannot be loaded, or a server does not take it. */
export async function exercise(api: GeneratedApi): Promise<Exercised> {
  const served = await servicesOf(api);
  const failures: string[] = [];
  let unary = 0;
  let streams = 0;
  await using app = await testApp((server) => {
    for (const { service, mock } of served) server.serve(service, mock.handlers);
  });
  for (const { service, mock, client } of served) {
    // A connection for each service: time stands still here, and a session has only so many frames a second.
    await using connection = app.connect();
    const generated = client(connection);
    for (const method of service.contract.service.methods) {
      const before = app.problems.length;
      try {
        await callOnce(generated, method, mock.requests);
        if (method.methodKind === "unary") unary++;
        else streams++;
      } catch (error) {
        const told = app.problems
          .slice(before)
          .map(({ message, fields }) => `; ${message}: ${String(fields["error"])}`);
        failures.push(`${service.contract.service.typeName}.${method.name}: ${String(error)}${told.join("")}`);
      }
    }
  }
  return { unary, streams, failures };
}

/** What is exported is found by what it is, as a reader would: definitions have a contract, and a client is beside its definition. */
async function servicesOf({ folder, modules }: GeneratedApi): Promise<readonly Served[]> {
  const served: Served[] = [];
  for (const [path, typeNames] of modules) {
    const load = (part: string): Promise<unknown> => import(join(folder, `${path}.${part}.ts`));
    const server = (await load("server")) as Readonly<Record<string, Service>>;
    const client = (await load("client")) as Readonly<Record<string, Served["client"]>>;
    for (const typeName of typeNames) {
      const found = Object.entries(server).find(([, { contract }]) => contract.service.typeName === typeName);
      if (found === undefined) throw new Error(`${path}.server.ts does not export ${typeName}.`);
      const [name, service] = found;
      const connect = client[name.replace(/Service$/, "Client")];
      if (connect === undefined) throw new Error(`${path}.client.ts has no client for ${name}.`);
      served.push({ service, mock: mockService(service) as Served["mock"], client: connect });
    }
  }
  return served;
}

/** Throws unless both sides got what the other one sent. */
async function callOnce(
  client: Client,
  method: DescMethod,
  received: Readonly<Record<string, readonly unknown[]>>,
): Promise<void> {
  const { methodKind, localName, input, output } = method;
  const many = methodKind === "client_streaming" || methodKind === "bidi_streaming";
  const sent = Array.from({ length: many ? SENT : 1 }, (_, at) => sample(input, {}, at + 1));
  const call = client[localName === "then" ? "then$" : localName]!;
  const answer = call(many ? stream(sent) : sent[0], { signal: AbortSignal.timeout(PATIENCE_MS) });
  const replies: Message[] = [];
  if (methodKind === "unary" || methodKind === "client_streaming") replies.push((await answer) as Message);
  else for await (const reply of answer as AsyncIterable<Message>) replies.push(reply);
  if (replies.length === 0) throw new Error("There was no reply.");
  for (const [at, reply] of replies.entries())
    if (!equals(output, reply, sample(output, {}, at + 1))) throw new Error(`Reply ${at + 1} is not what was sent.`);
  const seen = received[localName] as readonly Message[];
  if (seen.length !== sent.length || !seen.every((each, at) => equals(input, each, sent[at]!)))
    throw new Error("The handler did not get what was sent.");
}

async function* stream<T>(messages: readonly T[]): AsyncIterable<T> {
  yield* messages;
}
