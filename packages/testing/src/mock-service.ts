// A stand-in for a service: handlers that answer with sample messages, or as the test says, and keep what they were asked.
import type { ServiceDefinition } from "@raceway/core";
import { type Answer, isPublished, ownAnswer, sampleAnswer } from "./sample-answer.ts";

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

/**
 * Stands in for a service while something else is tested: a page, or a service that calls it. `answers` are handlers of the test's own; what it leaves out
 * answers with `sample` messages: a call with one, a feed with three, a duplex with one for each message that comes. Topics need no handler.
 */
export function mockService<H extends object, P extends object>(
  definition: Pick<ServiceDefinition<H, P>, "contract" | "~types">,
  answers: Partial<H> = {},
): MockedService<H> {
  const { service, channels } = definition.contract;
  const handlers = Object.create(null) as Record<string, Answer>; // a method may be called `__proto__`
  const requests = Object.create(null) as Record<string, unknown[]>;
  for (const method of service.methods) {
    const name = method.localName;
    const answer = ownAnswer(answers, name);
    if (isPublished(channels[name]) && answer === undefined) continue;
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

async function* kept(incoming: AsyncIterable<unknown>, seen: unknown[]): AsyncIterable<unknown> {
  for await (const message of incoming) {
    seen.push(message);
    yield message;
  }
}
