// An API key, as the server knows it: whose it is, and what it is for.
import { type ContextKey, createContextKey } from "@connectrpc/connect";

export interface ApiKey {
  /** Becomes the id of the principal. */
  readonly owner: string;
  /** False: it is for reading only. */
  readonly mayWrite: boolean;
  /** Addresses of topics to which it may subscribe begin with one of these. Default: all. */
  readonly topics?: readonly string[];
}

const none: ApiKey = { owner: "", mayWrite: false, topics: [] };

/** The key by which whoever calls was let in. Handlers read it: `context.get(usedKey)`. What is read where nobody has set it may do nothing. */
export const usedKey: ContextKey<ApiKey> = createContextKey(none, { description: "API key" });
