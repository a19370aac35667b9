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
