// A stand-in for a service: handlers that answer with sample messages, or as the test says, and keep what they were asked.
import type { DescMethod } from "@bufbuild/protobuf";
import type { ServiceDefinition } from "@raceway/core";
import { sample } from "./sample.ts";

/** What came in, by method: requests, or of a streamed request its messages; oldest first. */
export type RequestsOf<H> = {
  readonly [K in keyof H]: H[K] extends (request: infer R, ...rest: never[]) => unknown
    ? readonly (R extends AsyncIterable<infer M> ? M : R)[]
    : never;
};

export interface MockedService<H> {
  /** For `app.serve`. */
  readonly handlers: H;
  /** What handlers were asked so far. */
  readonly requests: RequestsOf<H>;
}

/** Messages that a feed without an answer of the test has. */
const FEED_LENGTH = 3;

type Handler = (request: unknown, context: unknown) => unknown;

/**
 * Stands in for a service while something else is tested: a page, or a service that calls it. `answers` are handlers of the test's own; what it leaves out
 * answers with {@link sample} messages: a call with one, a feed with three, a duplex with one for each message that comes. Topics need no handler.
 */
export function mockService<H extends object, P extends object>(
  definition: ServiceDefinition<H, P>,
  answers: Partial<H> = {},
): MockedService<H> {
  const { service, channels } = definition.contract;
  const handlers: Record<string, Handler> = {};
  const requests: Record<string, unknown[]> = {};
  for (const method of service.methods) {
    const name = method.localName;
    const answer = (answers as Readonly<Record<string, Handler | undefined>>)[name];
    if (channels[name]?.kind === "topic" && answer === undefined) continue;
    const seen: unknown[] = (requests[name] = []);
    const respond = answer === undefined ? sampleAnswer(method) : answer.bind(answers);
    handlers[name] =
      method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming"
        ? (incoming, context) => respond(kept(incoming as AsyncIterable<unknown>, seen), context)
        : (request, context) => {
            seen.push(request);
            return respond(request, context);
          };
  }
  return { handlers: handlers as H, requests: requests as unknown as RequestsOf<H> };
}

/** The handler of a method that the test has no answer for. */
function sampleAnswer({ methodKind, output }: DescMethod): Handler {
  switch (methodKind) {
    case "unary":
      return () => sample(output);
    case "server_streaming":
      return async function* feed() {
        for (let number = 1; number <= FEED_LENGTH; number++) yield sample(output, {}, number);
      };
    case "client_streaming":
      return async (incoming) => {
        for await (const _ of incoming as AsyncIterable<unknown>);
        return sample(output);
      };
    case "bidi_streaming":
      return async function* duplex(incoming) {
        let number = 0;
        for await (const _ of incoming as AsyncIterable<unknown>) yield sample(output, {}, ++number);
      };
  }
}

async function* kept(incoming: AsyncIterable<unknown>, seen: unknown[]): AsyncIterable<unknown> {
  for await (const message of incoming) {
    seen.push(message);
    yield message;
  }
}
