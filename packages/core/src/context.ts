// Context keys that parts of Raceway share.
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Peer } from "./link.ts";

/** Who makes the call, as an authentication plugin found out. */
export interface Principal {
  /** Stable and unique within the issuer; "" is nobody. */
  readonly id: string;
  readonly scopes?: readonly string[];
  readonly roles?: readonly string[];
  /** How it was found out: the name of the plugin. */
  readonly method?: string;
  readonly claims?: Readonly<Record<string, unknown>>;
}

const nobody: Principal = { id: "" };
const nowhere: Peer = { address: "", secure: false, header: () => undefined };

export const principal: ContextKey<Principal> = createContextKey(nobody, { description: "principal" });
export const peer: ContextKey<Peer> = createContextKey(nowhere, { description: "network peer" });
/** Public name of the session, for logs; not its secret. "" at a native door. */
export const sessionId: ContextKey<string> = createContextKey("", { description: "session" });
/** Name of the transport that carried the call's first frame. */
export const transportName: ContextKey<string> = createContextKey("", { description: "transport" });
/** The key of a call that runs once, however often it comes; "" for none. For a handler to pass on to whatever has the effect. */
export const idempotencyKey: ContextKey<string> = createContextKey("", { description: "idempotency key" });
/** Network address of the client, behind proxies that are trusted; "" if no plugin found out: then the peer's is all that is known. */
export const clientAddress: ContextKey<string> = createContextKey("", { description: "client address" });

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
