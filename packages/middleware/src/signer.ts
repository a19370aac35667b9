// Signs what a client sends: single requests in a header, anew for each attempt; streams of requests message by message.
import { type DescMethod, create } from "@bufbuild/protobuf";
import type { ContextValues, StreamRequest, UnaryRequest } from "@connectrpc/connect";
import { type AttemptHeaders, type KeptNote, attemptHeaders } from "@raceway/core";
import { canonicalBytes } from "./canonical.ts";
import { overlaid } from "./context-overlay.ts";
import { firstMessage } from "./first-message.ts";
import {
  SIGNATURE_HEADER,
  callBytes,
  fromBase64Url,
  messageBytes,
  pathOf,
  signatureField,
  streamsRequests,
  toBase64Url,
  writeSignature,
} from "./signature.ts";

/** Name of the plugin. */
export const SIGNER = "signer";
const KEY_HEADER = "idempotency-key";

/** A key that signs. */
export interface Signs {
  readonly id: string;
  sign(bytes: Uint8Array<ArrayBuffer>): Uint8Array | Promise<Uint8Array>;
}
export interface SignerWorld {
  /** The key of today. */
  readonly key: () => Signs;
  readonly wallNow: () => number;
  readonly bytes: (length: number) => Uint8Array;
}

type Request = UnaryRequest | StreamRequest;

/** The request, with its signature in the headers of each attempt. */
export async function signedByAttempt(request: Request, world: SignerWorld, mayDrop: boolean): Promise<Request> {
  const { request: passed, headers } = await signing(request, world, mayDrop);
  return { ...passed, contextValues: withValue(passed.contextValues, headers) };
}

/** The same with one signature, for a client that sends a call once. */
export async function signedOnce(request: Request, world: SignerWorld): Promise<Request> {
  const { request: passed, headers } = await signing(request, world, false);
  const header = new Headers(passed.header);
  const made = await headers({ idempotencyKey: "" });
  for (const [name, value] of Object.entries(made)) header.set(name, value);
  return { ...passed, header };
}

async function signing(
  request: Request,
  world: SignerWorld,
  mayDrop: boolean,
): Promise<{ readonly request: Request; readonly headers: AttemptHeaders }> {
  const method: DescMethod = request.method;
  // A server looks into the header, too, where the call itself has no key.
  const given = request.header.get(KEY_HEADER) ?? "";
  if (request.stream && streamsRequests(method)) {
    // Such a stream is never sent again once a server may have seen it, so all that is ever seen of the nonce is one stream.
    const stream = { keyId: "", nonce: toBase64Url(world.bytes(16)) };
    const key = world.key();
    stream.keyId = key.id;
    const messages = signedMessages(method, request.message, { ...stream, key }, mayDrop);
    return {
      request: { ...request, message: messages } as Request,
      headers: ({ idempotencyKey }) =>
        callHeaders(pathOf(method), key, world, stream.nonce, idempotencyKey || given, undefined),
    };
  }
  let message: unknown = request.message;
  let passed = request;
  if (request.stream) {
    const { first, rest } = await firstMessage(request.message);
    message = first ?? create(method.input);
    passed = { ...request, message: rest };
  }
  let canonical: Uint8Array | undefined;
  const bytes = (): Uint8Array => (canonical ??= canonicalBytes(method.input, message));
  const headers: AttemptHeaders = ({ idempotencyKey }) =>
    singleHeaders(pathOf(method), world, idempotencyKey || given, bytes());
  const note = (): KeptNote => ({ by: SIGNER, text: toBase64Url(bytes()) });
  return { request: passed, headers: Object.assign(headers, { note }) };
}

/** Of a call that was kept over a restart: with the key of today, as any attempt. */
export function signedKept(path: string, { by, text }: KeptNote, world: SignerWorld): AttemptHeaders | undefined {
  const message = by === SIGNER ? fromBase64Url(text) : undefined;
  return message && (({ idempotencyKey }) => singleHeaders(path, world, idempotencyKey, message));
}

function singleHeaders(
  path: string,
  world: SignerWorld,
  idempotencyKey: string,
  message: Uint8Array,
): ReturnType<AttemptHeaders> {
  return callHeaders(path, world.key(), world, toBase64Url(world.bytes(16)), idempotencyKey, message);
}

function callHeaders(
  path: string,
  key: Signs,
  { wallNow }: SignerWorld,
  nonce: string,
  idempotencyKey: string,
  message: Uint8Array | undefined,
): ReturnType<AttemptHeaders> {
  const made = { keyId: key.id, time: Math.round(wallNow()), nonce };
  const headers = (value: Uint8Array) => ({ [SIGNATURE_HEADER]: writeSignature({ ...made, value }) });
  const value = key.sign(callBytes(path, made, idempotencyKey, message));
  return value instanceof Promise ? value.then(headers) : headers(value);
}

/** Each message with its place; at the end one that says so, unless any may be lost. */
async function* signedMessages(
  method: DescMethod,
  messages: AsyncIterable<unknown>,
  stream: { readonly keyId: string; readonly nonce: string; readonly key: Signs },
  mayDrop: boolean,
): AsyncGenerator<unknown> {
  const field = signatureField(method.input);
  if (field === undefined) {
    yield* messages; // the server says what it thinks of it
    return;
  }
  let sequence = 0;
  const signed = async (message: object, last: boolean): Promise<object> => {
    const place = { sequence: ++sequence, last };
    const value = await stream.key.sign(messageBytes(method, stream, place, message, field.number));
    return Object.assign({}, message, { [field.localName]: create(field.message, { ...place, value }) });
  };
  for await (const message of messages) yield await signed(message as object, false);
  if (!mayDrop) yield await signed(create(method.input), true);
}

/** Of this request alone: what a caller gave may be used for others, too. */
function withValue(values: ContextValues, headers: AttemptHeaders): ContextValues {
  const { id } = attemptHeaders;
  return overlaid(values, (key) => (key.id === id ? (headers as never) : values.get(key)));
}
