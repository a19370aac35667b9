// Options of signing that Node and pages share, and their checks.
import type { Interceptor } from "@connectrpc/connect";
import {
  type OptionsOf,
  type Plugin,
  type ResolvedOptions,
  definePlugin,
  fail,
  resolveOptions,
  systemClock,
  systemRandom,
} from "@raceway/core";
import { checkChannelNames, isNamed } from "./channel-settings.ts";
import { type ChecksReply, type RepliesOptions, repliesOptions } from "./replies.ts";
import { keyIdPattern } from "./signature.ts";
import { SIGNER, type Signs, signedByAttempt, signedKept, signedOnce } from "./signer.ts";

export const signerOptions = {
  /** Channels whose calls are not signed: "package.Service/Method" or "package.Service/*". */
  unsigned: { kind: "list", default: [] },
} as const;

export const verifierOptions = {
  /** A signature is good for so long, before and after its time: as long as a call may take to arrive, and clocks may differ. A call may wait for `limits.resumeMs` until its session has a link again. */
  windowMs: { kind: "number", default: 120_000, min: 1_000, max: 3_600_000, unit: "ms" },
  /** Channels that take calls without a signature, too: "package.Service/Method" or "package.Service/*". */
  unsigned: { kind: "list", default: [] },
} as const;

export type SignerOptions<K> = OptionsOf<typeof signerOptions> & {
  /** What signs; a function is asked for each attempt, so a key can be changed while calls are made. */
  readonly key: K | (() => K);
};

export type VerifierOptions<K> = OptionsOf<typeof verifierOptions> & {
  /** Keys by their id; all of them are good, so a new one can be given out before the old one is taken back. */
  readonly keys: Readonly<Record<string, K>>;
};

/** Shortest secret, in bytes: as long as what HMAC-SHA-256 gives (RFC 2104, section 3). */
const SECRET_BYTES = 32;

export function invalid(part: string, option: string, value: string, expected: string): Error {
  return fail("option_invalid", { part, option, value, expected });
}

export function checkKeyId(part: string, option: string, id: unknown): void {
  if (typeof id !== "string" || !keyIdPattern.test(id))
    throw invalid(part, option, JSON.stringify(id) ?? "undefined", "a key id of 1 to 64 letters, digits, _, . and -");
}

/** Never shows the secret. */
export function secretBytes(part: string, option: string, secret: Uint8Array | string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(typeof secret === "string" ? new TextEncoder().encode(secret) : secret);
  if (bytes.length < SECRET_BYTES)
    throw invalid(part, option, `a secret of ${bytes.length} bytes`, `at least ${SECRET_BYTES} random bytes`);
  return bytes;
}

export function resolveSigner<K extends object>(
  { key, ...rest }: SignerOptions<K>,
  prepare: (key: K) => Signs,
): { readonly key: () => Signs } & ResolvedOptions<typeof signerOptions> {
  const options = resolveOptions("signer", signerOptions, rest);
  checkChannelNames("signer", "unsigned", options.unsigned);
  const prepared = new WeakMap<K, Signs>();
  const of = (given: K): Signs => {
    if (typeof given !== "object" || given === null)
      throw invalid("signer", "key", typeof given, "{ id, secret } or { id, privateKey }, or a function that gives it");
    let signs = prepared.get(given);
    if (signs === undefined) prepared.set(given, (signs = prepare(given)));
    return signs;
  };
  if (typeof key === "function") return { ...options, key: () => of(key()) };
  const signs = of(key);
  return { ...options, key: () => signs };
}

export type ReplyVerifierOptions<K> = RepliesOptions & {
  /** Keys of the server by their id; all of them are good, so a new one can be given out before it is used. */
  readonly keys: Readonly<Record<string, K>>;
};

export function resolveReplies<K>(
  { keys, ...rest }: ReplyVerifierOptions<K>,
  prepare: (id: string, key: K) => ChecksReply,
): { readonly known: ReadonlyMap<string, ChecksReply>; readonly unsigned: readonly string[] } {
  const { unsigned } = resolveOptions("reply-verifier", repliesOptions, rest as RepliesOptions);
  checkChannelNames("reply-verifier", "unsigned", unsigned);
  const known = new Map<string, ChecksReply>();
  for (const [id, key] of Object.entries(keys ?? {})) {
    checkKeyId("reply-verifier", "keys", id);
    known.set(id, prepare(id, key));
  }
  if (known.size === 0) throw invalid("reply-verifier", "keys", "empty", "at least one key by its id");
  return { known, unsigned };
}

export function signerPlugin({ key, unsigned }: ReturnType<typeof resolveSigner>): Plugin {
  return definePlugin({
    name: SIGNER,
    after: ["encryption", "validate", "timeout", "retry", "hedging", "circuit-breaker", "attempt-timeout", "cache"],
    start: ({ clock, random }) => {
      const world = { key, wallNow: () => clock.wallNow(), bytes: (length: number) => random.bytes(length) };
      return {
        kept: (path, note) => signedKept(path, note, world),
        call(channel) {
          if (isNamed(channel, unsigned)) return undefined;
          const mayDrop = channel.contract.kind === "signal";
          return (next) =>
            async function signer(request) {
              return next(await signedByAttempt(request, world, mayDrop));
            };
        },
      };
    },
  });
}

export function signingInterceptor({ key, unsigned }: ReturnType<typeof resolveSigner>): Interceptor {
  const clock = systemClock();
  const world = { key, wallNow: () => clock.wallNow(), bytes: (length: number) => systemRandom.bytes(length) };
  return (next) => async (request) => {
    const { parent, name } = request.method;
    const isExempt = unsigned.includes(`${parent.typeName}/${name}`) || unsigned.includes(`${parent.typeName}/*`);
    return next(isExempt ? request : await signedOnce(request, world));
  };
}
