// Headers that a client makes anew for each attempt of a call. In a file of its own, so that pages load no other context keys with it.
import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Headers of one attempt, beside those of the request; a promise is waited for before the call is sent. */
export interface AttemptHeaders {
  (attempt: {
    /** "" for a call that has none. */
    readonly idempotencyKey: string;
  }): Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Asked once if the call is to be kept over a restart of the client; absent: it is sent without such headers then. */
  readonly note?: () => KeptNote;
}

/** What a plugin needs to make the headers of a call whose caller is gone: written down with the call, so no secrets. Its station `kept` gets it back. */
export interface KeptNote {
  /** Name of the plugin. */
  readonly by: string;
  /** In a form of its own. */
  readonly text: string;
}

/**
 * Client: asked each time that a call is sent, the first time and again after the loss of a session, for what must not be said twice. Interceptors set it in the context values
 * of the request that they pass on.
 */
export const attemptHeaders: ContextKey<AttemptHeaders | undefined> = createContextKey<AttemptHeaders | undefined>(
  undefined,
  { description: "headers of an attempt" },
);
