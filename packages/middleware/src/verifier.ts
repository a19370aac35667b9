// Looks at the signatures of what comes to a server, by sessions and native doors alike.
import {
  type ContextKey,
  type ContextValues,
  type StreamRequest,
  type UnaryRequest,
  createContextKey,
} from "@connectrpc/connect";
import {
  type ChannelInfo,
  type Clock,
  type Plugin,
  type Store,
  definePlugin,
  fail,
  idempotencyKey,
  learn,
  middlewareReasons,
} from "@raceway/core";
import { canonicalBytes } from "./canonical.ts";
import { isNamed } from "./channel-settings.ts";
import { firstMessage } from "./first-message.ts";
import {
  type CallSignature,
  SIGNATURE_HEADER,
  callBytes,
  messageBytes,
  readSignature,
  signatureField,
  streamsRequests,
} from "./signature.ts";

learn(middlewareReasons);

/** Is this the signature of these bytes? Takes as long whatever the answer is. */
export type Verifies = (bytes: Uint8Array, value: Uint8Array) => boolean;

/** Id of the key with which a call was signed; "" if it was not. */
export const signedBy: ContextKey<string> = createContextKey("", { description: "signing key" });

interface Verifying {
  readonly keys: ReadonlyMap<string, Verifies>;
  readonly windowMs: number;
  readonly store: Store;
  readonly clock: Clock;
}

export function verifierPlugin(
  keys: ReadonlyMap<string, Verifies>,
  { windowMs, unsigned }: { readonly windowMs: number; readonly unsigned: readonly string[] },
): Plugin {
  return definePlugin({
    name: "verifier",
    provides: [signedBy],
    before: ["encryption", "validate", "rbac", "limits", "cache"],
    after: ["logging", "telemetry", "ip-filter", "rate-limit"],
    check(channel) {
      const { desc } = channel;
      if (isNamed(channel, unsigned) || !streamsRequests(desc) || signatureField(desc.input) !== undefined) return [];
      return [
        {
          severity: "error",
          message: `its messages, ${desc.input.typeName}, have no field for their signature`,
          mend: "give them one of type raceway.v1.Signature, or name the channel in unsigned",
        },
      ];
    },
    start: ({ store, clock }) => {
      const verifying: Verifying = { keys, windowMs, store, clock };
      return {
        call(channel) {
          if (channel.gated || isNamed(channel, unsigned)) return undefined; // its gate looks
          return (next) =>
            async function verifier(request) {
              return next(await verified(channel, request, verifying));
            };
        },
        topic(channel) {
          if (!channel.gated || isNamed(channel, unsigned)) return undefined;
          return {
            async subscribe({ kind, header, request, context }) {
              // What was let in once stays so: its signature is as old as the subscription.
              if (kind === "subscribe")
                await verifyCall(channel, header, keyOf(context, header), request as object, verifying);
            },
          };
        },
      };
    },
  });
}

async function verified(
  channel: ChannelInfo,
  request: UnaryRequest | StreamRequest,
  verifying: Verifying,
): Promise<UnaryRequest | StreamRequest> {
  const { header, contextValues } = request;
  const key = keyOf(contextValues, header);
  let passed = request;
  if (!request.stream) {
    const { keyId } = await verifyCall(channel, header, key, request.message, verifying);
    contextValues.set(signedBy, keyId);
  } else if (streamsRequests(request.method)) {
    const signature = await verifyCall(channel, header, key, undefined, verifying);
    contextValues.set(signedBy, signature.keyId);
    const messages = verifiedMessages(channel, request.message, signature, verifying.keys.get(signature.keyId)!);
    passed = { ...request, message: messages } as StreamRequest;
  } else {
    const { first, rest } = await firstMessage(request.message);
    const { keyId } = await verifyCall(channel, header, key, first ?? {}, verifying);
    contextValues.set(signedBy, keyId);
    passed = { ...request, message: rest };
  }
  return passed;
}

const keyOf = (context: ContextValues, header: Headers): string =>
  context.get(idempotencyKey) || (header.get("idempotency-key") ?? "");

async function verifyCall(
  { path, desc }: ChannelInfo,
  header: Headers,
  key: string,
  message: object | undefined,
  { keys, windowMs, store, clock }: Verifying,
): Promise<CallSignature> {
  const text = header.get(SIGNATURE_HEADER);
  if (text === null) throw fail("signature_missing", { path, detail: "this one has no signature" });
  const signature = readSignature(text);
  if (signature === undefined)
    throw fail("signature_invalid", { path, detail: `the header ${SIGNATURE_HEADER} cannot be read` });
  const { keyId, time, nonce, value } = signature;
  const verifies = keys.get(keyId);
  if (verifies === undefined) throw fail("signature_key_unknown", { path, key: keyId });
  if (
    key.includes("\n") ||
    !verifies(callBytes(path, signature, key, message && canonicalBytes(desc.input, message)), value)
  )
    throw fail("signature_invalid", { path, detail: "it is not that of what came" });
  const ms = Math.round(clock.wallNow()) - time;
  if (Math.abs(ms) > windowMs) throw fail("signature_expired", { path, ms: Math.abs(ms), windowMs });
  // Kept for as long as the signature would be good.
  const first = await store.put(`signature ${keyId} ${nonce}`, new Uint8Array(), {
    ttlMs: windowMs - ms + 1,
    ifAbsent: true,
  });
  if (!first) throw fail("signature_replayed", { path });
  return signature;
}

/** The messages in their order, none left out, none added, to their very end; of signals any may be missing. */
async function* verifiedMessages(
  { path, desc, contract }: ChannelInfo,
  messages: AsyncIterable<unknown>,
  stream: CallSignature,
  verifies: Verifies,
): AsyncGenerator<unknown> {
  const field = signatureField(desc.input)!;
  const mayDrop = contract.kind === "signal";
  let place = 0;
  for await (const message of messages) {
    const given = (message as Record<string, unknown>)[field.localName] as
      | { readonly sequence: number; readonly last: boolean; readonly value: Uint8Array }
      | undefined;
    if (given === undefined)
      throw fail("signature_missing", { path, detail: "a message of this stream has no signature" });
    const { sequence, last, value } = given;
    if (!verifies(messageBytes(desc, stream, { sequence, last }, message, field.number), value))
      throw fail("signature_invalid", { path, detail: `it is not that of message ${place + 1} of the stream` });
    if (mayDrop ? sequence <= place : sequence !== place + 1)
      throw fail("signature_invalid", {
        path,
        detail: `message ${sequence} of the stream came after message ${place}`,
      });
    place = sequence;
    if (last) return;
    (message as Record<string, unknown>)[field.localName] = undefined; // what it was for is done
    yield message;
  }
  if (!mayDrop) throw fail("signature_missing", { path, detail: "this stream ended without its last, signed message" });
}
