// The messages of one call as the streams that handlers and interceptors take and give.
import { create, type DescMessage } from "@bufbuild/protobuf";

/** Not an init object of one. */
export function isMessage(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && typeof (value as { $typeName?: unknown }).$typeName === "string"
  );
}

/** The one request of a call whose interceptors see a stream. */
export async function* singly(request: unknown): AsyncGenerator<unknown> {
  yield request;
}
/** The one reply to a stream of requests. */
export async function* once(run: () => unknown): AsyncGenerator<unknown> {
  yield (await run()) ?? {};
}
/** What is made of the first request; others are not asked for. */
export async function* fromFirst(
  requests: AsyncIterable<unknown>,
  run: (request: unknown) => AsyncIterable<unknown>,
): AsyncGenerator<unknown> {
  for await (const request of requests) {
    yield* run(request);
    return;
  }
}
/** Interceptors see whole messages, though a handler may yield init objects. */
export async function* whole(messages: AsyncIterable<unknown>, desc: DescMessage): AsyncGenerator<unknown> {
  for await (const message of messages) yield isMessage(message) ? message : create(desc, message as never);
}
