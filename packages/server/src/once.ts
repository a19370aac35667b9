// Exactly once: calls with the same idempotency key run the handler once, and all get the first reply.
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Clock,
  type Codec,
  type Logger,
  type Random,
  type Store,
  type Timer,
  fail,
  idempotencyKey,
  inFieldOrder,
  principal,
} from "@raceway/core";
import { toHex } from "@raceway/core/internal";
import { type CallContext, SessionCallContext } from "./call-context.ts";
import type { AnyHandler, Channel } from "./channel.ts";
import { fingerprint } from "./fingerprint.ts";
import { type Kept, type Reply, errorReplyOf, packKept, replay, replyOf, unpackKept } from "./once-record.ts";
import type { Orphans } from "./orphans.ts";
import { written } from "./shown-error.ts";

/** Header of a native request (draft-ietf-httpapi-idempotency-key-header). */
export const IDEMPOTENCY_HEADER = "idempotency-key";
/** Longest key taken, in characters. */
const MAX_KEY = 255;
/** How often a reply is looked for that another node is about to write, in milliseconds. */
const LOOK_MS = 50;
/** A node that runs keyed calls says so in a shared store, for so long, in milliseconds. Whoever waits for a node that is gone waits no longer; a node that stands still for longer is taken for gone, which makes nothing run twice. */
const LEASE_MS = 5_000;

export interface OnceInit {
  readonly store: Store;
  /** Other nodes use the store too: what is begun there may yet end. */
  readonly shared: boolean;
  readonly windowMs: number;
  readonly codec: Codec;
  readonly random: Random;
  readonly clock: Clock;
  readonly log: Logger;
  readonly orphans: Orphans;
}

type Handler = (request: unknown, context: CallContext) => unknown;

/** A call that this process has begun, or is about to begin. */
interface Running {
  readonly fingerprint: string;
  /** It stands in the store, so it is the first with its key. */
  begun: boolean;
  /** When its record was last written; it is renewed when half of its time is over. */
  since: number;
  /** Undefined: it was not begun here after all. Never rejects. */
  readonly reply: Promise<Reply | undefined>;
  settle(reply: Reply | undefined): void;
}

/** One per server: knows which keyed calls this process runs. */
export class Once implements AsyncDisposable {
  readonly #init: OnceInit;
  readonly #owner: string;
  readonly #running = new Map<string, Running>();
  #leased = Number.NEGATIVE_INFINITY;
  #timer: Timer | undefined;
  #over = false;

  constructor(init: OnceInit) {
    this.#init = init;
    this.#owner = toHex(init.random.bytes(8));
  }

  /** Handlers that run, whether or not their callers are still there. */
  get running(): number {
    return this.#running.size;
  }

  /** The handler of a unary channel, made to run once per key. Calls without a key pass through. */
  wrap(channel: Channel): AnyHandler {
    const handler = channel.handler as Handler;
    const input = this.#init.codec.of(channel.desc.input);
    return (request: unknown, context: CallContext) => {
      const key = context.get(idempotencyKey) || (context.requestHeader.get(IDEMPOTENCY_HEADER) ?? "");
      if (key === "") return handler(request, context);
      if (key.length > MAX_KEY) throw fail("idempotency_key_invalid", { length: key.length, limit: MAX_KEY });
      // In order: a server of another version, which took the same request, knew other fields of it.
      const print = fingerprint(inFieldOrder(channel.desc.input, input.encode(request as never)));
      if (context instanceof SessionCallContext)
        return this.#run(channel, () => handler(request, context), context, key, print);
      const native = outliving(context, key, channel.path, this.#init.orphans);
      return this.#run(channel, () => handler(request, native.context), native.context, key, print).finally(
        native.over,
      );
    };
  }

  async #run(channel: Channel, run: () => unknown, context: CallContext, key: string, print: string): Promise<unknown> {
    const storeKey = `once ${JSON.stringify([channel.path, context.get(principal).id, key])}`;
    for (;;) {
      const running = this.#running.get(storeKey);
      if (running !== undefined) {
        // Whoever has not begun yet may be told himself that the key is another's.
        if (running.begun && running.fingerprint !== print)
          throw fail("idempotency_key_reused", { path: channel.path });
        const reply = await running.reply;
        if (reply !== undefined) {
          if (running.fingerprint !== print) throw fail("idempotency_key_reused", { path: channel.path });
          return this.#again(reply, channel, context);
        }
      } else if (await this.#begin(storeKey, print)) return this.#first(storeKey, channel, run, context);
      const kept = await this.#look(storeKey, channel);
      if (kept !== undefined) {
        if (kept.fingerprint !== print) throw fail("idempotency_key_reused", { path: channel.path });
        if (kept.reply !== undefined) return this.#again(kept.reply, channel, context);
        // Begun by somebody who is gone: whether it did anything, nobody knows, and so it is not begun again.
        if (!(await this.#mayEnd(storeKey, kept))) throw fail("outcome_unknown", { path: channel.path });
      }
      // It runs elsewhere, or its window has ended just now. Always with a pause: a store that says both "there" and "not there" must not hold the process.
      await new Promise<void>((resolve) => this.#init.clock.after(LOOK_MS, resolve));
      if (isAborted(context)) throw reasonOfAbort(context);
    }
  }

  /** True: this call is the first of its key, and stands in the store. Others of this process wait for what comes of it. */
  async #begin(storeKey: string, print: string): Promise<boolean> {
    const { store, clock } = this.#init;
    const { promise, resolve } = Promise.withResolvers<Reply | undefined>();
    const running: Running = {
      fingerprint: print,
      begun: false,
      since: clock.now(),
      reply: promise,
      settle: (reply) => {
        this.#running.delete(storeKey);
        resolve(reply);
      },
    };
    this.#running.set(storeKey, running); // before anything is awaited: there is never a moment in which two begin
    try {
      this.#lease();
      const first = await store.put(storeKey, packKept({ fingerprint: print, owner: this.#owner }), {
        ttlMs: this.#begunMs,
        ifAbsent: true,
      });
      if (first) running.begun = true;
      else running.settle(undefined);
      return first;
    } catch (error) {
      running.settle(undefined);
      throw error;
    }
  }

  async #first(storeKey: string, channel: Channel, run: () => unknown, context: CallContext): Promise<unknown> {
    const running = this.#running.get(storeKey)!;
    let reply: Reply | undefined;
    try {
      if (isAborted(context)) {
        // Nothing was done: the key is free again.
        await this.#init.store.delete(storeKey);
        throw reasonOfAbort(context);
      }
      let message: unknown;
      try {
        message = (await run()) ?? {};
        reply = replyOf(context, written(this.#init.codec.of(channel.desc.output), message as never));
      } catch (cause) {
        reply = errorReplyOf(context, shownCause(cause, context));
        throw cause;
      }
      return message;
    } finally {
      if (reply !== undefined) await this.#keep(storeKey, running, reply);
      running.settle(reply);
    }
  }

  /** The handler has run, so its caller gets the reply whatever the store says. Without a record of it, a later call with the key is told that the outcome is unknown. */
  async #keep(storeKey: string, running: Running, reply: Reply): Promise<void> {
    running.since = Number.POSITIVE_INFINITY; // nothing may overwrite it
    const kept = packKept({ fingerprint: running.fingerprint, owner: this.#owner, reply });
    try {
      await this.#init.store.put(storeKey, kept, { ttlMs: this.#init.windowMs });
    } catch (error) {
      this.#init.log.error("a reply could not be kept for retries", { error: String(error), bytes: kept.length });
    }
  }

  async #look(storeKey: string, channel: Channel): Promise<Kept | undefined> {
    const bytes = await this.#init.store.get(storeKey);
    if (bytes === undefined) return undefined;
    const kept = unpackKept(bytes);
    if (kept === undefined) throw fail("outcome_unknown", { path: channel.path });
    return kept;
  }

  /** Begun, and no reply yet: may there be one? */
  async #mayEnd(storeKey: string, kept: Kept): Promise<boolean> {
    if (kept.owner === this.#owner) return this.#running.has(storeKey);
    if (!this.#init.shared) return false;
    if ((await this.#init.store.get(leaseKey(kept.owner))) !== undefined) return true;
    // Its last act may have been the reply.
    const bytes = await this.#init.store.get(storeKey);
    return bytes === undefined || unpackKept(bytes)?.reply !== undefined;
  }

  #again(reply: Reply, channel: Channel, context: CallContext): unknown {
    const message = reply.status ?? this.#read(reply, channel);
    const error = replay(reply, context);
    if (error !== undefined) throw error;
    return message;
  }
  #read({ payload }: Reply, { desc, path }: Channel): unknown {
    try {
      return this.#init.codec.of(desc.output).decode(payload);
    } catch {
      // Kept by a server of another version, whose replies this one cannot read: no fault of the request.
      throw fail("outcome_unknown", { path });
    }
  }

  // ---- what others may know

  /** How long "begun" stands, renewed while it runs: long enough for the renewal, however short the window. */
  get #begunMs(): number {
    return Math.max(this.#init.windowMs, LEASE_MS);
  }

  /** Others are told that this node is alive, while it has something to run. */
  #lease(): void {
    const now = this.#init.clock.now();
    if (this.#init.shared && now - this.#leased >= LEASE_MS / 3) {
      this.#leased = now;
      this.#write(leaseKey(this.#owner), new Uint8Array(0), LEASE_MS);
    }
    if (!this.#over) this.#timer ??= this.#init.clock.after(LEASE_MS / 3, this.#renew);
  }

  readonly #renew = (): void => {
    this.#timer = undefined;
    if (this.#running.size === 0) return;
    this.#lease();
    // A handler that takes longer than the window must not become unknown in the middle.
    const now = this.#init.clock.now();
    for (const [storeKey, running] of this.#running) {
      if (now - running.since < this.#begunMs / 2) continue;
      running.since = now;
      this.#write(storeKey, packKept({ fingerprint: running.fingerprint, owner: this.#owner }), this.#begunMs);
    }
  };

  #write(key: string, value: Uint8Array, ttlMs: number): void {
    this.#init.store.put(key, value, { ttlMs }).catch((error: unknown) => {
      this.#init.log.warn("the store did not take that a keyed call still runs", { error: String(error) });
    });
  }

  /** What still runs here will not be waited for by others. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#over = true;
    this.#timer?.[Symbol.dispose]();
    if (this.#leased > Number.NEGATIVE_INFINITY) await this.#init.store.delete(leaseKey(this.#owner)).catch(() => {});
  }
}

const leaseKey = (owner: string): string => `once-owner ${owner}`;

/** A native request whose connection is gone may come again by its key, as a call on a session may: its handler goes on. Only a deadline stops it. */
function outliving(
  context: CallContext,
  key: string,
  path: string,
  orphans: Orphans,
): { readonly context: CallContext; readonly over: () => void } {
  context.values.set(idempotencyKey, key);
  const { signal } = context;
  const controller = new AbortController();
  let orphan: Disposable | undefined;
  const ended = (): void => {
    if (signal.reason instanceof ConnectError && signal.reason.code === Code.DeadlineExceeded)
      controller.abort(signal.reason);
    else orphan = orphans.add(() => controller.abort(fail("outcome_unknown", { path })));
  };
  if (signal.aborted) ended();
  else signal.addEventListener("abort", ended, { once: true });
  return {
    context: Object.create(context, { signal: { value: controller.signal } }) as CallContext,
    over() {
      signal.removeEventListener("abort", ended);
      orphan?.[Symbol.dispose]();
    },
  };
}

/** A session's context makes its signal when it is looked at: not for this. */
function isAborted(context: CallContext): boolean {
  return context instanceof SessionCallContext ? context.isAborted : context.signal.aborted;
}

function reasonOfAbort(context: CallContext): ConnectError {
  const { reason } = context.signal as { readonly reason: unknown };
  return reason instanceof ConnectError ? reason : fail("call_cancelled");
}

/** What a handler threw, as its callers see it. Stopped in the middle, a handler throws anything: then what stopped it counts. */
function shownCause(cause: unknown, context: CallContext): ConnectError {
  if (cause instanceof ConnectError) return cause;
  return isAborted(context) ? reasonOfAbort(context) : fail("handler_failed");
}
