// Somebody between a client and its server, who changes what it says after it was signed.
import type { Interceptor } from "@connectrpc/connect";
import { type Plugin, attemptHeaders, definePlugin } from "@raceway/core";

export interface Tampering {
  /** What becomes of a header; undefined: it is left out. */
  readonly header?: (name: string, value: string) => string | undefined;
  /** What becomes of a message. */
  readonly message?: (message: Record<string, unknown>) => unknown;
  /** What becomes of the messages of a stream. */
  readonly messages?: (messages: AsyncIterable<unknown>) => AsyncIterable<unknown>;
}

/** As the innermost plugin of a connection, and as the last interceptor of a client at a door. */
export function tampering({ header, message, messages }: Tampering): {
  readonly plugin: Plugin;
  readonly interceptor: Interceptor;
} {
  const changed = (fields: Readonly<Record<string, string>>): Record<string, string> =>
    Object.fromEntries(
      Object.entries(fields).flatMap(([name, value]) => {
        const other = header === undefined ? value : header(name, value);
        return other === undefined ? [] : [[name, other]];
      }),
    );
  const interceptor: Interceptor = (next) => (request) => {
    for (const [name, value] of [...request.header]) {
      const other = header === undefined ? value : header(name, value);
      if (other === undefined) request.header.delete(name);
      else request.header.set(name, other);
    }
    const { contextValues } = request;
    const made = contextValues.get(attemptHeaders);
    const values =
      made === undefined
        ? contextValues
        : {
            ...contextValues,
            get: (key: { readonly id: symbol }) =>
              key.id === attemptHeaders.id
                ? (attempt: { readonly idempotencyKey: string }) => {
                    const fields = made(attempt);
                    return fields instanceof Promise ? fields.then(changed) : changed(fields);
                  }
                : contextValues.get(key as never),
          };
    const given = request.message as unknown;
    const passed = request.stream
      ? (messages?.(given as AsyncIterable<unknown>) ?? each(given as AsyncIterable<unknown>, message))
      : message === undefined
        ? given
        : message({ ...(given as Record<string, unknown>) });
    return next({ ...request, message: passed, contextValues: values } as never);
  };
  return {
    interceptor,
    plugin: definePlugin({
      name: "tampering",
      after: ["signer", "encryption"],
      start: () => ({ call: () => interceptor }),
    }),
  };
}

async function* each(messages: AsyncIterable<unknown>, change: Tampering["message"]): AsyncGenerator<unknown> {
  for await (const message of messages)
    yield change === undefined ? message : change({ ...(message as Record<string, unknown>) });
}
