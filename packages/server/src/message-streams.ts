// The messages of one call as the streams that handlers and interceptors take and give.
import { create, type DescMessage } from "@bufbuild/protobuf";

export function isMessage(value: unknown): boolean {
  return (
    typeof value === "object" && value !== null && typeof (value as { $typeName?: unknown }).$typeName === "string"
  );
}

export async function* singly(request: unknown): AsyncGenerator<unknown> {
  yield request;
}
export async function* once(run: () => unknown): AsyncGenerator<unknown> {
  yield (await run()) ?? {};
}
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
