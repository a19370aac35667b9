// What the store has of a keyed call: begun, or ended with its first reply. A durable store keeps it over releases, so the form has a version.
import type { ConnectError } from "@connectrpc/connect";
import { type HeaderField, type WireStatus, errorOf, headerFields, headersOf, statusOf } from "@raceway/core/internal";
import { type CallContext, SessionCallContext } from "./call-context.ts";

/** The first reply, good or bad. */
export interface Reply {
  readonly payload: Uint8Array;
  readonly status: WireStatus | undefined;
  /** What a handler's error carried; joins the trailer. */
  readonly metadata: readonly HeaderField[];
  readonly header: readonly HeaderField[];
  readonly trailer: readonly HeaderField[];
}

/** Without `reply`, the call was begun, by `owner`, and may still run there. */
export interface Kept {
  /** Of the request. */
  readonly fingerprint: string;
  readonly owner: string;
  readonly reply?: Reply;
}

export function replyOf(context: CallContext, payload: Uint8Array): Reply {
  return { ...headersIn(context), payload, status: undefined, metadata: [] };
}
export function errorReplyOf(context: CallContext, error: ConnectError): Reply {
  return {
    ...headersIn(context),
    payload: new Uint8Array(0),
    status: statusOf(error),
    metadata: headerFields(error.metadata),
  };
}

/** Puts the headers of a reply into another call's context; its error, if it is one. */
export function replay(reply: Reply, context: CallContext): ConnectError | undefined {
  // Appended, not set: there may be several set-cookie.
  for (const { key, value } of reply.header) context.responseHeader.append(key, value);
  for (const { key, value } of reply.trailer) context.responseTrailer.append(key, value);
  return reply.status && errorOf(reply.status, headersOf(reply.metadata));
}

function headersIn(context: CallContext): Pick<Reply, "header" | "trailer"> {
  // Most calls have none, and then none are made.
  if (context instanceof SessionCallContext)
    return { header: context.takeHeader() ?? [], trailer: context.takeTrailer() ?? [] };
  const own = (headers: Headers): HeaderField[] => headerFields(headers).filter(({ key }) => !ofProtocol.test(key));
  return { header: own(context.responseHeader), trailer: own(context.responseTrailer) };
}

/** What a door puts into the headers of a reply before its handler runs: the next door has its own. */
const ofProtocol = /^(content-type|content-encoding|accept-encoding|connect-.+|grpc-.+)$/;

const VERSION = 1;

/** The head as JSON, in the bytes after it the payload and the values of error details, as they are. */
interface Head {
  readonly version: number;
  readonly fingerprint: string;
  readonly owner: string;
  readonly reply?: {
    readonly header: readonly HeaderField[];
    readonly trailer: readonly HeaderField[];
    readonly metadata: readonly HeaderField[];
    readonly payload: number;
    readonly status?: {
      readonly code: number;
      readonly message: string;
      readonly details: readonly { readonly typeUrl: string; readonly size: number }[];
    };
  };
}

/** Four bytes with the length of the head, the head, the bytes. */
export function packKept({ fingerprint, owner, reply }: Kept): Uint8Array {
  const details = reply?.status?.details ?? [];
  const parts = reply === undefined ? [] : [reply.payload, ...details.map(({ value }) => value)];
  const head: Head = {
    version: VERSION,
    fingerprint,
    owner,
    ...(reply && {
      reply: {
        header: reply.header,
        trailer: reply.trailer,
        metadata: reply.metadata,
        payload: reply.payload.length,
        ...(reply.status && {
          status: {
            code: reply.status.code,
            message: reply.status.message,
            details: details.map(({ typeUrl, value }) => ({ typeUrl, size: value.length })),
          },
        }),
      },
    }),
  };
  const json = new TextEncoder().encode(JSON.stringify(head));
  const packed = new Uint8Array(parts.reduce((size, part) => size + part.length, 4 + json.length));
  new DataView(packed.buffer).setUint32(0, json.length);
  packed.set(json, 4);
  let at = 4 + json.length;
  for (const part of parts) {
    packed.set(part, at);
    at += part.length;
  }
  return packed;
}

/** Undefined: written by a release that this one does not understand. */
export function unpackKept(bytes: Uint8Array): Kept | undefined {
  try {
    let at = 4 + new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getUint32(0);
    const head = JSON.parse(new TextDecoder().decode(bytes.subarray(4, at))) as Head;
    if (head.version !== VERSION) return undefined;
    const { fingerprint, owner, reply } = head;
    if (reply === undefined) return { fingerprint, owner };
    const next = (size: number): Uint8Array => {
      const part = bytes.slice(at, (at += size));
      if (part.length !== size) throw new RangeError("cut off");
      return part;
    };
    const { header, trailer, metadata } = reply;
    const payload = next(reply.payload);
    const status = reply.status && {
      code: reply.status.code,
      message: reply.status.message,
      details: reply.status.details.map(({ typeUrl, size }) => ({ typeUrl, value: next(size) })),
    };
    return { fingerprint, owner, reply: { header, trailer, metadata, payload, status } };
  } catch {
    return undefined;
  }
}
