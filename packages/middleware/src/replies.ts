// Signed replies: a server signs what it answers to whoever asks for it, and a client takes nothing else. Each is bound to its call by a nonce of the client's.
import { type DescMethod, create } from "@bufbuild/protobuf";
import type { Interceptor, StreamRequest, StreamResponse, UnaryRequest, UnaryResponse } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type OptionsOf,
  type Plugin,
  type PluginFinding,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  systemRandom,
} from "@raceway/core";
import { canonicalBytes, concat } from "./canonical.ts";
import { isNamed } from "./channel-settings.ts";
import { fromBase64Url, pathOf, signatureField, toBase64Url } from "./signature.ts";
import type { Signs } from "./signer.ts";

learn(middlewareReasons);

/** Request: the client wants signed replies, and says to what they are to be bound: 128 random bits in base64url. */
const NONCE_HEADER = "raceway-reply-nonce";
/** Answer: `key=id, value=signature`; of a stream, whose messages are signed one by one, `key=id`. */
const REPLY_HEADER = "raceway-reply-signature";
const noncePattern = /^[\w-]{22}$/;
const replyPattern = /^key=([\w.-]{1,64})(?:, value=([\w-]{43,86}))?$/;

export const repliesOptions = {
  /** Channels whose replies are not signed: "package.Service/Method" or "package.Service/*". */
  unsigned: { kind: "list", default: [] },
} as const;
export type RepliesOptions = OptionsOf<typeof repliesOptions>;

/** Is this the signature of these bytes? */
export type ChecksReply = (bytes: Uint8Array<ArrayBuffer>, value: Uint8Array) => boolean | Promise<boolean>;

type Response = UnaryResponse | StreamResponse;
interface SignedMessage {
  readonly sequence: number;
  readonly last: boolean;
  readonly value: Uint8Array;
}

const streamsReplies = ({ methodKind }: DescMethod): boolean =>
  methodKind === "server_streaming" || methodKind === "bidi_streaming";

const encoder = new TextEncoder();
/** Lines, then the message in its canonical form. `place` for a message of a stream. */
function replyBytes(
  method: DescMethod,
  keyId: string,
  nonce: string,
  message: unknown,
  place?: { readonly sequence: number; readonly last: boolean; readonly without: number },
): Uint8Array<ArrayBuffer> {
  const what = place === undefined ? "reply" : place.last ? "last reply" : "reply message";
  const lines = [
    `raceway-signature-1 ${what}`,
    pathOf(method),
    keyId,
    nonce,
    ...(place ? [String(place.sequence)] : []),
  ];
  const body = canonicalBytes(method.output, message, place?.without);
  return concat([encoder.encode(`${lines.join("\n")}\n`), body]);
}

/** A stream's messages need a place for their signatures, as those of a stream of requests do. */
function unfit({ desc }: ChannelInfo): PluginFinding[] {
  if (!streamsReplies(desc) || signatureField(desc.output) !== undefined) return [];
  return [
    {
      severity: "error",
      message: `its messages, ${desc.output.typeName}, have no field for their signature`,
      mend: "give them one of type raceway.v1.Signature, or name the channel in unsigned",
    },
  ];
}

// ---- server

export function replySignerPlugin(key: () => Signs, unsigned: readonly string[]): Plugin {
  return definePlugin({
    name: "reply-signer",
    before: ["encryption", "validate", "cache", "verifier"], // what they make of the answer is what is signed
    check: (channel) => (channel.gated || isNamed(channel, unsigned) ? [] : unfit(channel)),
    start: () => ({
      call(channel) {
        // What a topic says is the same for all, and bound to nobody's nonce.
        if (channel.gated || isNamed(channel, unsigned)) return undefined;
        return (next) =>
          async function replySigner(request) {
            const nonce = request.header.get(NONCE_HEADER) ?? "";
            const response = await next(request);
            return noncePattern.test(nonce) ? signed(request, response, nonce, key()) : response;
          };
      },
    }),
  });
}

async function signed(
  { method }: UnaryRequest | StreamRequest,
  response: Response,
  nonce: string,
  key: Signs,
): Promise<Response> {
  const header = new Headers(response.header); // the answer may be others', too
  const { service, trailer } = response;
  if (response.stream && streamsReplies(method)) {
    header.set(REPLY_HEADER, `key=${key.id}`);
    const message = signedMessages(method, response.message, nonce, key);
    return { stream: true, service, method, header, trailer, message } as StreamResponse;
  }
  const message: unknown = response.stream ? await only(response.message) : response.message;
  const value = await key.sign(replyBytes(method, key.id, nonce, message));
  header.set(REPLY_HEADER, `key=${key.id}, value=${toBase64Url(value)}`);
  if (!response.stream) return { stream: false, service, method, header, trailer, message } as UnaryResponse;
  return { stream: true, service, method, header, trailer, message: once(message) } as StreamResponse;
}

async function* signedMessages(
  method: DescMethod,
  messages: AsyncIterable<unknown>,
  nonce: string,
  key: Signs,
): AsyncGenerator<unknown> {
  const field = signatureField(method.output)!;
  let sequence = 0;
  const one = async (message: object, last: boolean): Promise<object> => {
    const place = { sequence: ++sequence, last };
    const value = await key.sign(replyBytes(method, key.id, nonce, message, { ...place, without: field.number }));
    return Object.assign({}, message, { [field.localName]: create(field.message, { ...place, value }) });
  };
  for await (const message of messages) yield await one(message as object, false);
  yield await one(create(method.output), true);
}

// ---- client

export interface ReplyChecks {
  readonly keys: ReadonlyMap<string, ChecksReply>;
  readonly bytes: (length: number) => Uint8Array;
}

export function replyVerifierPlugin(keys: ReplyChecks["keys"], unsigned: readonly string[]): Plugin {
  return definePlugin({
    name: "reply-verifier",
    after: [
      "encryption",
      "validate",
      "timeout",
      "retry",
      "hedging",
      "circuit-breaker",
      "attempt-timeout",
      "cache",
      "signer",
    ],
    check(channel) {
      if (isNamed(channel, unsigned)) return [];
      if (channel.contract.kind !== "topic") return unfit(channel);
      return [
        {
          severity: "error",
          message: "what topics say is the same for all, and not signed for anybody",
          mend: "name the channel in unsigned, and use encryption where it has to be what its publisher said",
        },
      ];
    },
    start: ({ random }) => {
      const checks: ReplyChecks = { keys, bytes: (length) => random.bytes(length) };
      return {
        call: (channel) =>
          isNamed(channel, unsigned)
            ? undefined
            : (next) =>
                function replyVerifier(request) {
                  return verified(request, next, checks);
                },
      };
    },
  });
}

/** For Connect clients without Raceway. */
export function replyInterceptor(keys: ReplyChecks["keys"], unsigned: readonly string[]): Interceptor {
  const checks: ReplyChecks = { keys, bytes: (length) => systemRandom.bytes(length) };
  return (next) => (request) => {
    const { parent, name } = request.method;
    const isExempt = unsigned.includes(`${parent.typeName}/${name}`) || unsigned.includes(`${parent.typeName}/*`);
    return isExempt ? next(request) : verified(request, next, checks);
  };
}

async function verified(
  request: UnaryRequest | StreamRequest,
  next: (request: UnaryRequest | StreamRequest) => Promise<Response>,
  { keys, bytes }: ReplyChecks,
): Promise<Response> {
  const method: DescMethod = request.method;
  const path = pathOf(method);
  const nonce = toBase64Url(bytes(16));
  request.header.set(NONCE_HEADER, nonce);
  const response = await next(request);
  const streams = response.stream && streamsReplies(method);
  /** Of the answer's header, which may come with the first message only. */
  const said = (): { readonly keyId: string; readonly checks: ChecksReply; readonly value: string } => {
    const text = response.header.get(REPLY_HEADER);
    if (text === null) throw fail("reply_unsigned", { path, detail: "it has no signature" });
    const [, keyId = "", value = ""] = replyPattern.exec(text) ?? [];
    const checks = keys.get(keyId);
    if (checks === undefined || (value === "") !== streams)
      throw fail("reply_forged", { path, detail: `its header ${REPLY_HEADER} names no key that is known here` });
    return { keyId, checks, value };
  };
  const { service, header, trailer } = response;
  if (streams) {
    const message = verifiedMessages(method, response.message, nonce, said);
    return { stream: true, service, method, header, trailer, message } as StreamResponse;
  }
  const message: unknown = response.stream ? await only(response.message) : response.message;
  const { keyId, checks, value } = said();
  const signature = fromBase64Url(value);
  if (signature === undefined || !(await checks(replyBytes(method, keyId, nonce, message), signature)))
    throw fail("reply_forged", { path, detail: "its signature is not that of what came for this call" });
  if (!response.stream) return { stream: false, service, method, header, trailer, message } as UnaryResponse;
  return { stream: true, service, method, header, trailer, message: once(message) } as StreamResponse;
}

/** The messages in their order, none left out, none added, to their very end. */
async function* verifiedMessages(
  method: DescMethod,
  messages: AsyncIterable<unknown>,
  nonce: string,
  said: () => { readonly keyId: string; readonly checks: ChecksReply },
): AsyncGenerator<unknown> {
  const path = pathOf(method);
  const field = signatureField(method.output);
  let key: ReturnType<typeof said> | undefined;
  let place = 0;
  for await (const message of messages) {
    key ??= said();
    const given = field && ((message as Record<string, unknown>)[field.localName] as SignedMessage | undefined);
    if (given === undefined)
      throw fail("reply_unsigned", { path, detail: "a message of this stream has no signature" });
    const { sequence, last, value } = given;
    const bytes = replyBytes(method, key.keyId, nonce, message, { sequence, last, without: field!.number });
    if (!(await key.checks(bytes, value)))
      throw fail("reply_forged", { path, detail: `its signature is not that of message ${place + 1} of this stream` });
    if (sequence !== place + 1)
      throw fail("reply_forged", { path, detail: `message ${sequence} of the stream came after message ${place}` });
    place = sequence;
    if (last) return;
    (message as Record<string, unknown>)[field!.localName] = undefined; // what it was for is done
    yield message;
  }
  throw fail("reply_unsigned", { path, detail: "the stream ended without its last, signed message" });
}

async function only(messages: AsyncIterable<unknown>): Promise<unknown> {
  let found: unknown;
  for await (const message of messages) found = message;
  return found;
}
async function* once(message: unknown): AsyncGenerator<unknown> {
  if (message !== undefined) yield message;
}
