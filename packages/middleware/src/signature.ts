// What is signed, in bytes, and how a signature is written down.
import type { DescField, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { canonicalBytes, concat } from "./canonical.ts";

export const SIGNATURE_HEADER = "raceway-signature";

/** A signature of a call, as its header says it. */
export interface CallSignature {
  readonly keyId: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** 128 random bits, in base64url. */
  readonly nonce: string;
  readonly value: Uint8Array;
}

export const keyIdPattern: RegExp = /^[\w.-]{1,64}$/;
const headerPattern = /^key=([\w.-]{1,64}), time=(\d{1,15}), nonce=([\w-]{22}), value=([\w-]{43,86})$/;

export function writeSignature({ keyId, time, nonce, value }: CallSignature): string {
  return `key=${keyId}, time=${time}, nonce=${nonce}, value=${toBase64Url(value)}`;
}

/** Undefined: it is none. */
export function readSignature(text: string): CallSignature | undefined {
  const match = headerPattern.exec(text);
  if (match === null) return undefined;
  const value = fromBase64Url(match[4]!);
  return value && { keyId: match[1]!, time: Number(match[2]), nonce: match[3]!, value };
}

const encoder = new TextEncoder();

/** Of a call with one request, whose message is given in its canonical form; of a stream of requests, whose messages are signed one by one, without. Lines, then the message. */
export function callBytes(
  path: string,
  { keyId, time, nonce }: Omit<CallSignature, "value">,
  idempotencyKey: string,
  message: Uint8Array | undefined,
): Uint8Array<ArrayBuffer> {
  const what = message === undefined ? "stream" : "call";
  const head = [`raceway-signature-1 ${what}`, path, keyId, String(time), nonce, idempotencyKey, ""].join("\n");
  return concat([encoder.encode(head), ...(message === undefined ? [] : [message])]);
}

/** Of one message of a stream. The nonce is the stream's, so that no message fits into another. */
export function messageBytes(
  method: DescMethod,
  stream: { readonly keyId: string; readonly nonce: string },
  place: { readonly sequence: number; readonly last: boolean },
  message: unknown,
  without: number,
): Uint8Array<ArrayBuffer> {
  const { keyId, nonce } = stream;
  const what = place.last ? "last" : "message";
  const head = [`raceway-signature-1 ${what}`, pathOf(method), keyId, nonce, String(place.sequence), ""].join("\n");
  return concat([encoder.encode(head), canonicalBytes(method.input, message, without)]);
}

/** Where messages of a type have their signature; undefined: nowhere. */
export function signatureField(desc: DescMessage): (DescField & { readonly message: DescMessage }) | undefined {
  return fieldOfType(desc, "raceway.v1.Signature");
}

/** The first field of a type by itself: no list, no map, no member of a oneof. */
export function fieldOfType(
  desc: DescMessage,
  type: string,
): (DescField & { readonly message: DescMessage }) | undefined {
  return desc.fields.find(
    (field) => field.fieldKind === "message" && field.oneof === undefined && field.message.typeName === type,
  ) as (DescField & { readonly message: DescMessage }) | undefined;
}

export function streamsRequests({ methodKind }: DescMethod): boolean {
  return methodKind === "client_streaming" || methodKind === "bidi_streaming";
}

/** "/package.Service/Method". */
export function pathOf({ parent, name }: DescMethod): string {
  return `/${parent.typeName}/${name}`;
}

/** Values that a function takes at once everywhere. */
const CHUNK = 8_192;
export function toBase64Url(bytes: Uint8Array): string {
  let letters = "";
  for (let at = 0; at < bytes.length; at += CHUNK) letters += String.fromCharCode(...bytes.subarray(at, at + CHUNK));
  return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

export function fromBase64Url(text: string): Uint8Array | undefined {
  try {
    return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) =>
      character.charCodeAt(0),
    );
  } catch {
    return undefined;
  }
}
