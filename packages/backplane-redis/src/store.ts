// `redisStore()`: keys with expiry and token buckets in Redis, which many servers share.
import { createHash } from "node:crypto";
import { CONTRACT, type Host, type Store, type StorePart, type Timer, fail } from "@raceway/core";
import { RESP_TYPES, createClient } from "@redis/client";
import { type RedisStoreOptions, type ResolvedRedisStore, resolveRedisStore } from "./options.ts";
import { GET, PUT, TAKE } from "./scripts.ts";

/** Redis keeps what has expired for so much longer, in milliseconds: its clock need not be ours. */
const GRACE_MS = 60_000;
/** Longest wait between two tries to connect again, in milliseconds. */
const RECONNECT_MS = 2_000;
/** Calls that wait for a token ask again no later than so, in milliseconds. */
const MAX_RETRY_MS = 3_600_000;

/** A store for a backplane: `memory({ store: redisStore({ url }) })`. How durable it is, Redis' own settings say: nothing is promised beyond the life of its process. */
export function redisStore(given: RedisStoreOptions): StorePart {
  const options = resolveRedisStore(given);
  return {
    name: "redis-store",
    contract: CONTRACT,
    traits: { durability: "memory", shared: true },
    start: (host) => RedisStore.open(options, host),
  };
}

type Client = ReturnType<typeof newClient>;
function newClient(options: ResolvedRedisStore) {
  return createClient({
    url: options.url,
    disableOfflineQueue: true, // who asks while Redis is away is told so, and does not wait
    socket: {
      connectTimeout: options.timeoutMs,
      reconnectStrategy: (tries) => Math.min(50 * 2 ** Math.min(tries, 10), RECONNECT_MS),
    },
  }).withTypeMapping({ [RESP_TYPES.BLOB_STRING]: Buffer });
}

class RedisStore implements Store, AsyncDisposable {
  readonly #client: Client;
  readonly #options: ResolvedRedisStore;
  readonly #host: Omit<Host, "store">;
  readonly #hashes = new Map(
    [GET, PUT, TAKE].map((script) => [script, createHash("sha1").update(script).digest("hex")]),
  );
  #complained = false;

  private constructor(client: Client, options: ResolvedRedisStore, host: Omit<Host, "store">) {
    this.#client = client;
    this.#options = options;
    this.#host = host;
  }

  /** Throws `store_failed` if the server is not there in time. */
  static async open(options: ResolvedRedisStore, host: Omit<Host, "store">): Promise<RedisStore> {
    const client = newClient(options);
    const store = new RedisStore(client, options, host);
    let last: unknown;
    client.on("error", (error: unknown) => {
      last = error;
      if (!store.#complained) host.log.warn("redis is not there", { error: detailOf(error) });
      store.#complained = true;
    });
    client.on("ready", () => (store.#complained = false));
    const late = Promise.withResolvers<never>();
    const timer = setTimeout(() => late.reject(last ?? new Error("no answer in time")), options.timeoutMs); // oxlint-disable-line no-restricted-globals -- the network's time, not the host's
    try {
      await Promise.race([client.connect(), late.promise]);
    } catch (error) {
      client.destroy();
      throw fail("store_failed", { detail: detailOf(last ?? error) });
    } finally {
      clearTimeout(timer);
    }
    return store;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    const value = await this.#run(GET, this.#key("k", key), [String(this.#now)]);
    return value === null ? undefined : new Uint8Array(value as Buffer);
  }

  async put(
    key: string,
    value: Uint8Array,
    { ttlMs, ifAbsent = false }: { readonly ttlMs: number; readonly ifAbsent?: boolean },
  ): Promise<boolean> {
    const now = this.#now;
    const args = [
      String(now),
      String(now + ttlMs),
      Buffer.from(value),
      ifAbsent ? "1" : "0",
      String(Math.ceil(ttlMs) + GRACE_MS),
    ];
    return (await this.#run(PUT, this.#key("k", key), args)) === 1;
  }

  async delete(key: string): Promise<void> {
    await this.#timely(this.#client.sendCommand(["DEL", this.#key("k", key)]));
  }

  async take(
    key: string,
    cost: number,
    { perSecond, burst }: { readonly perSecond: number; readonly burst: number },
  ): Promise<{ readonly ok: boolean; readonly retryAfterMs: number }> {
    const args = [this.#now, cost, perSecond, burst].map(String);
    const missing = Number(String(await this.#run(TAKE, this.#key("b", key), args)));
    if (missing <= 0) return { ok: true, retryAfterMs: 0 };
    return { ok: false, retryAfterMs: Math.min(Math.ceil((missing * 1_000) / perSecond), MAX_RETRY_MS) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // What was asked for is answered first, if Redis is there to do so.
    if (this.#client.isReady) await this.#timely(this.#client.close()).catch(() => this.#client.destroy());
    else if (this.#client.isOpen) this.#client.destroy();
  }

  get #now(): number {
    return Math.floor(this.#host.clock.wallNow());
  }

  /** Lone surrogates have no UTF-8: such keys are written out. */
  #key(space: "k" | "b", key: string): string {
    const { prefix } = this.#options;
    return key.isWellFormed()
      ? `${prefix}:${space}:${key}`
      : `${prefix}:${space}x:${Buffer.from(key, "utf16le").toString("hex")}`;
  }

  async #run(script: string, key: string, args: readonly (string | Buffer)[]): Promise<unknown> {
    const rest = ["1", key, ...args];
    const answer = this.#client.sendCommand(["EVALSHA", this.#hashes.get(script)!, ...rest]).catch((error: unknown) => {
      // Redis was started anew, or has never seen it.
      if (String(error).includes("NOSCRIPT")) return this.#client.sendCommand(["EVAL", script, ...rest]);
      throw error;
    });
    return this.#timely(answer);
  }

  /** An answer that comes too late counts as none. */
  async #timely<T>(answer: Promise<T>): Promise<T> {
    const late = Promise.withResolvers<never>();
    const timer: Timer = this.#host.clock.after(this.#options.timeoutMs, () =>
      late.reject(new Error("no answer in time")),
    );
    try {
      return await Promise.race([answer, late.promise]);
    } catch (error) {
      throw fail("store_failed", { detail: detailOf(error), retryAfterMs: 500 });
    } finally {
      timer[Symbol.dispose]();
    }
  }
}

/** Without addresses: it goes to callers over the network. */
function detailOf(error: unknown): string {
  const { code, name, message } = error as {
    readonly code?: unknown;
    readonly name?: string;
    readonly message?: string;
  };
  if (typeof code === "string") return code;
  if (message !== undefined && /^(OOM|READONLY|LOADING|NOAUTH|WRONGPASS|MOVED|no answer in time)/.test(message))
    return message.slice(0, 60);
  return name ?? "unknown";
}
