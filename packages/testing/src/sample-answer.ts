// What a method answers in a test that has no answer of its own for it: sample messages, by its shape.
import type { DescMethod } from "@bufbuild/protobuf";
import type { ChannelContract } from "@raceway/core";
import { sample } from "./sample.ts";

export type Answer = (request: unknown, context: unknown) => unknown;

/** Messages that a feed without an answer of the test has. */
const FEED_LENGTH = 3;

/** A message, a promise of one, or an async iterable of them, as a handler gives it. */
export function sampleAnswer({ methodKind, output }: DescMethod): Answer {
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

/** The test's own answer of that name; what every object has, such as `hasOwnProperty`, is none. */
export function ownAnswer(answers: object, name: string): Answer | undefined {
  const answer = (answers as Readonly<Record<string, unknown>>)[name];
  const common = (Object.prototype as unknown as Readonly<Record<string, unknown>>)[name];
  return typeof answer === "function" && answer !== common ? (answer as Answer) : undefined;
}

/** Topics and states are published to; their handler, if there is one, is an option. */
export function isPublished(channel: ChannelContract | undefined): boolean {
  return channel?.kind === "topic" || channel?.kind === "state";
}
