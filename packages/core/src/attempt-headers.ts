// Headers that a client makes anew for each attempt of a call. In a file of its own, so that pages load no other context keys with it.
import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Headers of one attempt, beside those of the request; a promise is waited for before the call is sent. */
export type AttemptHeaders = (attempt: {
  /** "" for a call that has none. */
  readonly idempotencyKey: string;
}) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
/**
 * Client: asked each time that a call is sent, the first time and again after the loss of a session, for what must not be said twice. Interceptors set it in the context values
 * of the request that they pass on. What is kept of a call over a restart of the client is sent without.
 */
export const attemptHeaders: ContextKey<AttemptHeaders | undefined> = createContextKey<AttemptHeaders | undefined>(
  undefined,
  { description: "headers of an attempt" },
);
