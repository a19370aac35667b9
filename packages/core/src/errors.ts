// The catalogue of errors: one entry per reason, with code, message and mend. `docs/errors.md` is held against it by a test.
// Reasons that only servers give stand in errors-server.ts: pages do not download what they never say.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import type { catalogue } from "./errors-server.ts";

/** `ErrorInfo.domain` of all errors that Raceway itself makes. */
export const ERROR_DOMAIN = "raceway";

interface Entry<V extends object> {
  readonly code: Code;
  /** What happened, the value, the limit, what to do. */
  readonly message: (values: V) => string;
}

export type Size = { bytes: number; limit: number };
export type Count = { count: number; limit: number };

/** Reasons are permanent; a retired one stays, marked. */
export const common = {
  // What a peer sent
  frame_malformed: {
    code: Code.InvalidArgument as Code,
    message: (v: { detail: string }): string =>
      `Malformed frame: ${v.detail}. The link is closed; check that both ends speak wire version 1.`,
  },
  frame_unexpected: {
    code: Code.InvalidArgument as Code,
    message: (v: { frame: string; state: string }): string =>
      `Frame ${v.frame} is not allowed ${v.state}. The link is closed; check the order of frames in docs/architecture.md.`,
  },
  batch_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Batch of ${v.bytes} bytes exceeds maxBatchBytes ${v.limit}. Send smaller messages, or raise limits.batchBytes on both ends.`,
  },
  message_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Message of ${v.bytes} bytes exceeds the limit of ${v.limit}. Split it, or raise limits.messageBytes on the receiving end.`,
  },
  headers_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Headers of ${v.bytes} bytes exceed the limit of ${v.limit}. Send less metadata, or raise limits.headerBytes.`,
  },
  headers_too_many: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count): string =>
      `${v.count} headers exceed the limit of ${v.limit}. Send less metadata, or raise limits.headerCount.`,
  },
  payload_malformed: {
    code: Code.InvalidArgument as Code,
    message: (v: { type: string; detail: string }): string =>
      `Payload is not a valid ${v.type}: ${v.detail}. Check that both ends were generated from the same schema.`,
  },
  schema_mismatch: {
    code: Code.FailedPrecondition as Code,
    message: (v: { path: string; client: string; server: string; detail: string }): string =>
      `The client has version ${v.client} of the schema of ${v.path}, the server version ${v.server}, and they do not fit: ${v.detail}. Generate and deploy the older of the two anew.`,
  },
  body_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Request body of ${v.bytes} bytes or more exceeds the limit of ${v.limit}. Send smaller batches, or raise limits.batchBytes.`,
  },
  request_malformed: {
    code: Code.InvalidArgument as Code,
    message: (v: { transport: string; detail: string }): string =>
      `Request does not fit transport ${v.transport}: ${v.detail}. Check that both ends use the same version of the transport.`,
  },
  credit_overflow: {
    code: Code.InvalidArgument as Code,
    message: (v: { call: number }): string =>
      `Credit of call ${v.call} overflows. The link is closed; grant only what was consumed.`,
  },
  flow_violated: {
    code: Code.ResourceExhausted as Code,
    message: (v: { call: number }): string =>
      `Call ${v.call} sent more than its credit. The call is ended; wait for Credit frames.`,
  },
  count_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { count: number; have: string }): string =>
      `Count ${v.count} is impossible: ${v.have}. The link is closed; counts only grow, up to what was sent.`,
  },
  // Handshake and session
  hello_timeout: {
    code: Code.DeadlineExceeded as Code,
    message: (v: { ms: number }): string =>
      `No Hello, or no Welcome, within ${v.ms} ms. The link is closed; send Hello first.`,
  },
  version_unsupported: {
    code: Code.FailedPrecondition as Code,
    message: (v: { version: number }): string =>
      `Wire version ${v.version} is not supported; this side speaks 1. Upgrade the older side.`,
  },
  resume_refused: {
    code: Code.Unauthenticated as Code,
    message: (): string => "The session cannot be resumed with this secret. Open a new session.",
  },
  resume_impossible: {
    code: Code.NotFound as Code,
    message: (): string =>
      "The session is gone, or can no longer be resumed from there. Calls are retried or ended, topics recover by position.",
  },
  session_lost: {
    code: Code.Unavailable as Code,
    message: (v: { detail: string }): string =>
      `The session was lost while the call was in flight: ${v.detail}. Whether the handler ran is unknown; mark the method idempotent to have it retried.`,
  },
  session_taken: {
    code: Code.Aborted as Code,
    message: (): string => "The session goes on over a newer link; this one is closed.",
  },
  too_many_frames: {
    code: Code.ResourceExhausted as Code,
    message: (v: { limit: number; retryAfterMs?: number }): string =>
      `More than ${v.limit} frames came at once. Send fewer, larger messages, or raise limits.framesBurst.`,
  },
  draining: {
    code: Code.Unavailable as Code,
    message: (v: { retryAfterMs?: number }): string =>
      "The server is going down and takes nothing new. Connect again, or to another endpoint.",
  },
  // Links and transports
  link_closed: {
    code: Code.Unavailable as Code,
    message: (v: { transport: string; detail: string }): string =>
      `The ${v.transport} link ended: ${v.detail}. The session resumes on the next link.`,
  },
  link_silent: {
    code: Code.Unavailable as Code,
    message: (v: { ms: number }): string =>
      `Nothing came for ${v.ms} ms, so the link is taken for dead. The session resumes on the next link.`,
  },
  transport_failed: {
    code: Code.Unavailable as Code,
    message: (v: { transport: string; detail: string }): string =>
      `Transport ${v.transport} could not connect: ${v.detail}. Run the server with it, or check proxies on the way.`,
  },
  transport_unknown: {
    code: Code.InvalidArgument as Code,
    message: (v: { transport: string; have: string }): string =>
      `There is no transport "${v.transport}" here; configured: ${v.have}. Add it to transports.`,
  },
  no_transport: {
    code: Code.Unavailable as Code,
    message: (v: { url: string; detail: string }): string =>
      `No transport reached ${v.url}: ${v.detail}. Run the server with one of them, or check proxies on the way.`,
  },
  // Calls
  call_cancelled: { code: Code.Canceled as Code, message: (): string => "The call was cancelled." },
  call_deadline: {
    code: Code.DeadlineExceeded as Code,
    message: (v: { ms: number }): string =>
      `The call did not end within ${v.ms} ms. Raise timeoutMs, or make the handler faster.`,
  },
  reply_missing: {
    code: Code.Internal as Code,
    message: (v: { path: string }): string =>
      `The call of ${v.path} ended well but without a message. Check the server's handler.`,
  },
  outbox_full: {
    code: Code.ResourceExhausted as Code,
    message: (v: { count: number; limit: number }): string =>
      `${v.count} calls wait for a link, the limit is ${v.limit}. Wait until connection.state is open, or raise limits.outboxMessages or limits.outboxBytes.`,
  },
  outbox_dropped: {
    code: Code.Aborted as Code,
    message: (): string =>
      "The call waited for a link and made room for newer ones. It was never sent, and will not be.",
  },
  call_kept: {
    code: Code.Canceled as Code,
    message: (): string =>
      "The connection was closed by its owner. The call is kept in the outbox's store; the next connection sends it.",
  },
  outcome_unknown: {
    code: Code.Aborted as Code,
    message: (v: { path: string }): string =>
      `A call of ${v.path} with this key was begun, and whether it took effect is unknown: its server is gone, or limits.dedupMs is over. Look before trying again with a new key.`,
  },
  connection_closed: {
    code: Code.Canceled as Code,
    message: (): string => "The connection was closed by its owner. Connect again to make calls.",
  },
  // Topics
  history_gone: {
    code: Code.DataLoss as Code,
    message: (v: { address: string; epoch: string; first: number; after: number }): string =>
      `The history of ${v.address} after ${v.after} is gone; the oldest that is kept is ${v.first}. Pass onReset to go on from there, or keep a longer history.`,
  },
  // Configuration, thrown on the user's own line
  option_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { part: string; option: string; value: string; expected: string }): string =>
      `${v.part}: option ${v.option} is ${v.value}, expected ${v.expected}.`,
  },
  option_unknown: {
    code: Code.InvalidArgument as Code,
    message: (v: { part: string; option: string; have: string }): string =>
      `${v.part}: there is no option ${v.option}; known: ${v.have}.`,
  },
  plugin_contract: {
    code: Code.FailedPrecondition as Code,
    message: (v: { plugin: string; contract: string }): string =>
      `Plugin ${v.plugin} speaks contract ${v.contract}, this Raceway speaks 1. Install versions that fit.`,
  },
  plugin_twice: {
    code: Code.InvalidArgument as Code,
    message: (v: { plugin: string }): string =>
      `Plugin ${v.plugin} is configured twice. Keep one, or give them different names.`,
  },
  plugin_missing_provider: {
    code: Code.InvalidArgument as Code,
    message: (v: { plugin: string; key: string }): string =>
      `Plugin ${v.plugin} requires "${v.key}", which no plugin provides. Add one that does to use.`,
  },
  plugin_unfit: {
    code: Code.FailedPrecondition as Code,
    message: (v: { plugin: string; path: string; detail: string; mend: string }): string =>
      `Plugin ${v.plugin} does not fit ${v.path}: ${v.detail}; ${v.mend}.`,
  },
  plugin_circle: {
    code: Code.InvalidArgument as Code,
    message: (v: { members: string }): string =>
      `Plugins wait for each other: ${v.members}. Remove a before, after, provides or requires.`,
  },
} as const;

export type Reason = keyof typeof catalogue;

/** What `fail` knows; errors-server.ts adds to it. */
let known: Readonly<Record<string, unknown>> = common;
/** Adds reasons that not every program needs. */
export function learn(more: Readonly<Record<string, unknown>>): void {
  known = { ...known, ...more };
}

export type ValuesOf<R extends Reason> = (typeof catalogue)[R] extends Entry<infer V> ? V : never;

/** Makes the error of a reason. `throw fail("batch_too_large", { bytes, limit })`. A value `retryAfterMs` also becomes a `google.rpc.RetryInfo`. */
export function fail<R extends Reason>(
  reason: R,
  ...values: keyof ValuesOf<R> extends never ? [] : [ValuesOf<R>]
): ConnectError {
  const given = (values[0] ?? {}) as ValuesOf<R>;
  const { code, message } = known[reason] as Entry<ValuesOf<R>>;
  const error = new ConnectError(message(given), code);
  const metadata: Record<string, string> = {};
  for (const [key, value] of Object.entries(given)) if (value !== undefined) metadata[key] = String(value);
  error.details.push({ type: "google.rpc.ErrorInfo", value: encodeErrorInfo(reason, ERROR_DOMAIN, metadata) });
  const retryAfterMs = (given as { retryAfterMs?: number }).retryAfterMs;
  if (retryAfterMs !== undefined)
    error.details.push({ type: "google.rpc.RetryInfo", value: encodeRetryInfo(retryAfterMs) });
  return error;
}

/** The `google.rpc.ErrorInfo` of an error, ours or anybody's; undefined if it has none. */
export interface ErrorInfo {
  readonly reason: string;
  readonly domain: string;
  readonly metadata: Readonly<Record<string, string>>;
}

export function errorInfo(error: unknown): ErrorInfo | undefined {
  const value = detailOf(error, "google.rpc.ErrorInfo");
  return value && decodeErrorInfo(value);
}

/** The stable reason of an error made by Raceway, on either side of the wire. */
export function reasonOf(error: unknown): Reason | undefined {
  const info = errorInfo(error);
  // A newer server may give reasons that are not known here: what looks like one is one.
  return info?.domain === ERROR_DOMAIN && /^[a-z_]+$/.test(info.reason) ? (info.reason as Reason) : undefined;
}

/** Milliseconds after which it makes sense to try again (`google.rpc.RetryInfo`). */
export function retryAfterMs(error: unknown): number | undefined {
  const value = detailOf(error, "google.rpc.RetryInfo");
  return value && decodeRetryInfo(value);
}

function detailOf(error: unknown, type: string): Uint8Array | undefined {
  if (!(error instanceof ConnectError)) return undefined;
  for (const detail of error.details) if ("type" in detail && detail.type === type) return detail.value;
  return undefined;
}

// google.rpc.ErrorInfo { string reason = 1; string domain = 2; map<string, string> metadata = 3; }
export function encodeErrorInfo(
  reason: string,
  domain: string,
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const writer = new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .string(reason)
    .tag(2, WireType.LengthDelimited)
    .string(domain);
  for (const [key, value] of Object.entries(metadata)) {
    writer
      .tag(3, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string(key)
      .tag(2, WireType.LengthDelimited)
      .string(value)
      .join();
  }
  return writer.finish();
}

function decodeErrorInfo(bytes: Uint8Array): ErrorInfo | undefined {
  try {
    const reader = new BinaryReader(bytes);
    const metadata: Record<string, string> = Object.create(null) as Record<string, string>;
    let reason = "";
    let domain = "";
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field === 1) reason = reader.string();
      else if (field === 2) domain = reader.string();
      else if (field === 3) {
        let key = "";
        let value = "";
        const end = reader.uint32() + reader.pos;
        while (reader.pos < end) {
          const [part, partWire] = reader.tag();
          if (part === 1) key = reader.string();
          else if (part === 2) value = reader.string();
          else reader.skip(partWire, part);
        }
        metadata[key] = value;
      } else reader.skip(wire, field);
    }
    return { reason, domain, metadata };
  } catch {
    return undefined; // a foreign detail that does not parse is no reason to hide the error itself
  }
}

// google.rpc.RetryInfo { google.protobuf.Duration retry_delay = 1; } Duration { int64 seconds = 1; int32 nanos = 2; }
export function encodeRetryInfo(ms: number): Uint8Array {
  const seconds = Math.floor(ms / 1000);
  const nanos = Math.round((ms - seconds * 1000) * 1e6);
  return new BinaryWriter()
    .tag(1, WireType.LengthDelimited)
    .fork()
    .tag(1, WireType.Varint)
    .int64(seconds)
    .tag(2, WireType.Varint)
    .int32(nanos)
    .join()
    .finish();
}

function decodeRetryInfo(bytes: Uint8Array): number | undefined {
  try {
    const reader = new BinaryReader(bytes);
    let ms = 0;
    while (reader.pos < reader.len) {
      const [field, wire] = reader.tag();
      if (field !== 1) {
        reader.skip(wire, field);
        continue;
      }
      const end = reader.uint32() + reader.pos;
      while (reader.pos < end) {
        const [part, partWire] = reader.tag();
        if (part === 1) ms += Number(reader.int64()) * 1000;
        else if (part === 2) ms += reader.int32() / 1e6;
        else reader.skip(partWire, part);
      }
    }
    return ms;
  } catch {
    return undefined;
  }
}
