// Exactly once: calls with the same idempotency key run the handler once, and all get the first reply.
import { ConnectError, type ContextKey, createContextKey } from "@connectrpc/connect";
import { type Codec, type Random, type Store, fail, principal } from "@raceway/core";
import { type HeaderField, errorOf, headerFields, statusOf } from "@raceway/core/internal";
import type { CallContext } from "./call-context.ts";
import type { AnyHandler, Channel } from "./channel.ts";
import { fingerprint } from "./fingerprint.ts";

/** The key of a call; "" for none. On a session it comes with the call, at a native door in the header of the same name. */
export const idempotencyKey: ContextKey<string> = createContextKey("", { description: "idempotency key" });
/** Header of a native request (draft-ietf-httpapi-idempotency-key-header). */
export const IDEMPOTENCY_HEADER = "idempotency-key";
/** Longest key taken, in characters. */
const MAX_KEY = 255;
/** How often a reply is looked for that another node is about to write, in milliseconds. */
const LOOK_MS = 50;
/** How long that other node may take, in milliseconds. */
const PATIENCE_MS = 30_000;

export interface OnceInit {
  readonly store: Store;
  /** The store is shared with other nodes: a call that is running elsewhere may yet end. */
  readonly shared: boolean;
  readonly windowMs: number;
  readonly codec: Codec;
  readonly random: Random;
  readonly after: (ms: number, run: () => void) => Disposable;
}

/** What the store has of a call. Without `reply`, it was begun, by `owner`. */
interface Kept {
  readonly fingerprint: string;
  readonly owner: string;
  readonly reply?: {
    readonly payload?: string;
    readonly status?: {
      readonly code: number;
      readonly message: string;
      readonly details: readonly { readonly typeUrl: string; readonly value: string }[];
    };
    readonly header: readonly HeaderField[];
    readonly trailer: readonly HeaderField[];
  };
}

/** One per server: knows which calls this process is running. */
export class Once {
  readonly #init: OnceInit;
  readonly #owner: string;
  readonly #running = new Map<string, Promise<void>>();

  constructor(init: OnceInit) {
    this.#init = init;
    this.#owner = Array.from(init.random.bytes(8), (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  /** The handler of a unary channel, made to run once per key. Calls without a key pass through. */
  wrap(channel: Channel): AnyHandler {
    const handler = channel.handler as (request: unknown, context: CallContext) => unknown;
    const input = this.#init.codec.of(channel.desc.input);
    return (request: unknown, context: CallContext) => {
      const key = context.get(idempotencyKey) || (context.requestHeader.get(IDEMPOTENCY_HEADER) ?? "");
      if (key === "") return handler(request, context);
      if (key.length > MAX_KEY) throw fail("idempotency_key_invalid", { length: key.length, limit: MAX_KEY });
      return this.#run(channel, handler, request, context, key, fingerprint(input.encode(request as never)));
    };
  }

  async #run(
    channel: Channel,
    handler: (request: unknown, context: CallContext) => unknown,
    request: unknown,
    context: CallContext,
    key: string,
    print: string,
  ): Promise<unknown> {
    const { store, windowMs } = this.#init;
    const storeKey = `once ${JSON.stringify([channel.path, context.get(principal).id, key])}`;
    const begun: Kept = { fingerprint: print, owner: this.#owner };
    for (let waitedMs = 0; ; waitedMs += LOOK_MS) {
      if (await store.put(storeKey, pack(begun), { ttlMs: windowMs, ifAbsent: true }))
        return this.#first(storeKey, begun, channel, handler, request, context);
      const bytes = await store.get(storeKey);
      if (bytes === undefined) continue; // its window has just ended: this one is the first again
      const kept = unpack(bytes);
      if (kept.fingerprint !== print) throw fail("idempotency_key_reused", { path: channel.path });
      if (kept.reply !== undefined) return this.#again(kept.reply, channel, context);
      const running = this.#running.get(storeKey);
      if (running !== undefined) await running;
      else if (kept.owner === this.#owner || !this.#init.shared || waitedMs >= PATIENCE_MS) {
        // Begun by a process that is gone: whether it did anything, nobody knows, and so it is not begun again.
        throw fail("outcome_unknown", { path: channel.path });
      } else await new Promise<void>((resolve) => this.#init.after(LOOK_MS, resolve));
    }
  }

  async #first(
    storeKey: string,
    begun: Kept,
    channel: Channel,
    handler: (request: unknown, context: CallContext) => unknown,
    request: unknown,
    context: CallContext,
  ): Promise<unknown> {
    let ended = (): void => {};
    this.#running.set(storeKey, new Promise((resolve) => (ended = resolve)));
    try {
      const keep = (reply: NonNullable<Kept["reply"]>): Promise<boolean> =>
        this.#init.store.put(storeKey, pack({ ...begun, reply }), { ttlMs: this.#init.windowMs });
      let message: unknown;
      try {
        message = (await handler(request, context)) ?? {};
      } catch (cause) {
        const status = statusOf(cause instanceof ConnectError ? cause : fail("handler_failed"));
        await keep({
          ...headers(context),
          status: {
            ...status,
            details: status.details.map(({ typeUrl, value }) => ({ typeUrl, value: toText(value) })),
          },
        });
        throw cause;
      }
      await keep({
        ...headers(context),
        payload: toText(this.#init.codec.of(channel.desc.output).encode(message as never)),
      });
      return message;
    } finally {
      this.#running.delete(storeKey);
      ended();
    }
  }

  #again(reply: NonNullable<Kept["reply"]>, channel: Channel, context: CallContext): unknown {
    for (const { key, value } of reply.header) context.responseHeader.set(key, value);
    for (const { key, value } of reply.trailer) context.responseTrailer.set(key, value);
    if (reply.status !== undefined)
      throw errorOf({
        ...reply.status,
        details: reply.status.details.map(({ typeUrl, value }) => ({ typeUrl, value: fromText(value) })),
      });
    return this.#init.codec.of(channel.desc.output).decode(fromText(reply.payload ?? ""));
  }
}

function headers(context: CallContext): { header: readonly HeaderField[]; trailer: readonly HeaderField[] } {
  return { header: headerFields(context.responseHeader), trailer: headerFields(context.responseTrailer) };
}
function pack(kept: Kept): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(kept));
}
function unpack(bytes: Uint8Array): Kept {
  return JSON.parse(new TextDecoder().decode(bytes)) as Kept;
}
function toText(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
function fromText(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
