// The catalogue of errors: one entry per reason, with code, message and mend. `docs/errors.md` is held against it by a test.
// It is long because all reasons stand in one table, where one can see them side by side.
import { BinaryReader, BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";

/** `ErrorInfo.domain` of all errors that Raceway itself makes. */
export const ERROR_DOMAIN = "raceway";

interface Entry<V extends object> {
  readonly code: Code;
  /** What happened, the value, the limit, what to do. */
  readonly message: (values: V) => string;
}

type Size = { bytes: number; limit: number };
type Count = { count: number; limit: number };

/** Reasons are permanent; a retired one stays, marked. */
export const catalogue = {
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
  body_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Request body of ${v.bytes} bytes or more exceeds the limit of ${v.limit}. Send smaller batches, or raise limits.batchBytes.`,
  },
  body_too_slow: {
    code: Code.DeadlineExceeded as Code,
    message: (v: { ms: number }): string =>
      `Request body did not arrive within ${v.ms} ms. Send it faster, or raise limits.bodyMs.`,
  },
  body_incomplete: {
    code: Code.Canceled as Code,
    message: (v: { bytes: number }): string =>
      `Request ended after ${v.bytes} bytes, before its body was complete. Send what content-length declares, and keep the connection until the answer.`,
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
    message: (v: { ms: number }): string => `No Hello within ${v.ms} ms. The link is closed; send Hello first.`,
  },
  hello_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `First batch of ${v.bytes} bytes exceeds the handshake's limit of ${v.limit}. Send less metadata in Hello.`,
  },
  version_unsupported: {
    code: Code.FailedPrecondition as Code,
    message: (v: { version: number }): string =>
      `Wire version ${v.version} is not supported; this side speaks 1. Upgrade the older side.`,
  },
  codec_unsupported: {
    code: Code.FailedPrecondition as Code,
    message: (v: { codecs: string }): string =>
      `None of the codecs "${v.codecs}" is known here. Configure a common codec on both ends.`,
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
  too_many_sessions: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { retryAfterMs?: number }): string =>
      `${v.count} sessions are open, the limit is ${v.limit}. Close some, or raise limits.sessionsPerPrincipal or limits.sessionsPerAddress.`,
  },
  too_many_calls: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { retryAfterMs?: number }): string =>
      `${v.count} calls are in flight in this session, the limit is ${v.limit}. Wait for some to end, or raise limits.calls.`,
  },
  too_many_subscriptions: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { retryAfterMs?: number }): string =>
      `${v.count} subscriptions are open in this session, the limit is ${v.limit}. End some, or raise limits.subscriptions.`,
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
  link_unknown: {
    code: Code.NotFound as Code,
    message: (v: { transport: string }): string =>
      `There is no such ${v.transport} link here, or no more. Open another; the session resumes on it.`,
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
      `No transport reached ${v.url}: ${v.detail}. Check that the server runs there and offers one of them.`,
  },
  origin_refused: {
    code: Code.PermissionDenied as Code,
    message: (v: { origin: string }): string =>
      `Pages of origin ${v.origin} may not talk to this server. Add it to allowedOrigins.`,
  },
  // Calls
  channel_unknown: {
    code: Code.Unimplemented as Code,
    message: (v: { path: string }): string =>
      `There is no channel ${v.path} here. Serve it, or check that both ends were generated from the same schema.`,
  },
  kind_unsupported: {
    code: Code.Unimplemented as Code,
    message: (v: { path: string; kind: string }): string =>
      `Channel ${v.path} is a ${v.kind}, which this server cannot serve.`,
  },
  handler_missing: {
    code: Code.InvalidArgument as Code,
    message: (v: { path: string }): string =>
      `Channel ${v.path} has no handler. Add the method to the object given to app.serve.`,
  },
  handler_failed: {
    code: Code.Internal as Code,
    message: (): string => "The handler failed. The server's log has the cause.",
  },
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
  connection_closed: {
    code: Code.Canceled as Code,
    message: (): string => "The connection was closed by its owner. Connect again to make calls.",
  },
  idempotency_key_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { length: number; limit: number }): string =>
      `The idempotency key has ${v.length} characters, the limit is ${v.limit}. Use a random key of 16 bytes.`,
  },
  idempotency_key_reused: {
    code: Code.InvalidArgument as Code,
    message: (v: { path: string }): string =>
      `The idempotency key was used for another request of ${v.path}. Make a new key for each new request.`,
  },
  outcome_unknown: {
    code: Code.Aborted as Code,
    message: (v: { path: string }): string =>
      `A call of ${v.path} with this key was begun, and whether it took effect is unknown: its server is gone, or limits.dedupMs is over. Look before trying again with a new key.`,
  },
  store_full: {
    code: Code.ResourceExhausted as Code,
    message: (v: { bytes: number; limit: number }): string =>
      `The store holds ${v.bytes} bytes, the limit is ${v.limit}. Nothing was written; raise limits.storeBytes, or maxBytes of a durable store, or shorten limits.dedupMs.`,
  },
  disk_full: {
    code: Code.ResourceExhausted as Code,
    message: (v: { file: string }): string =>
      `There is no space left for ${v.file}. Nothing was written; make room, the store goes on by itself.`,
  },
  store_failed: {
    code: Code.Unavailable as Code,
    message: (v: { detail: string; retryAfterMs?: number }): string =>
      `The store did not answer: ${v.detail}. Nothing was written; try again.`,
  },
  store_corrupt: {
    code: Code.DataLoss as Code,
    message: (v: { file: string }): string =>
      `${v.file} is damaged, or is no SQLite database. Put it aside and start with a new file, or with a backup.`,
  },
  store_unopenable: {
    code: Code.FailedPrecondition as Code,
    message: (v: { file: string; detail: string }): string =>
      `${v.file} cannot be opened: ${v.detail}. Give a file in a folder that exists and may be written to, on a local disk.`,
  },
  store_newer: {
    code: Code.FailedPrecondition as Code,
    message: (v: { file: string; version: number; known: number }): string =>
      `${v.file} was written by a newer release: its tables have version ${v.version}, this one knows ${v.known}. Upgrade, or give another file.`,
  },
  // Topics
  history_gone: {
    code: Code.DataLoss as Code,
    message: (v: { address: string; epoch: string; first: number; after: number }): string =>
      `The history of ${v.address} after ${v.after} is gone; the oldest that is kept is ${v.first}. Pass onReset to go on from there, or keep a longer history.`,
  },
  too_many_topics: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count): string =>
      `${v.count} topics have subscribers, the limit is ${v.limit}. Raise limits.topics, or add nodes.`,
  },
  address_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { address: string; detail: string }): string =>
      `Topic address from template ${v.address} is invalid: ${v.detail}.`,
  },
  backplane_failed: {
    code: Code.Unavailable as Code,
    message: (v: { detail: string }): string =>
      `The backplane did not take it: ${v.detail}. Nothing was published; try again.`,
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
  plugin_circle: {
    code: Code.InvalidArgument as Code,
    message: (v: { members: string }): string =>
      `Plugins wait for each other: ${v.members}. Remove a before, after, provides or requires.`,
  },
  app_started: {
    code: Code.FailedPrecondition as Code,
    message: (v: { service: string }): string =>
      `${v.service} cannot be served: the server has started. Call app.serve before listen, attach or fetch.`,
  },
  service_twice: {
    code: Code.InvalidArgument as Code,
    message: (v: { service: string }): string =>
      `Service ${v.service} is served twice. Merge the handlers into one object.`,
  },
} as const;

export type Reason = keyof typeof catalogue;
export type ValuesOf<R extends Reason> = (typeof catalogue)[R] extends Entry<infer V> ? V : never;

/** Makes the error of a reason. `throw fail("batch_too_large", { bytes, limit })`. A value `retryAfterMs` also becomes a `google.rpc.RetryInfo`. */
export function fail<R extends Reason>(
  reason: R,
  ...values: keyof ValuesOf<R> extends never ? [] : [ValuesOf<R>]
): ConnectError {
  const given = (values[0] ?? {}) as ValuesOf<R>;
  const { code, message } = catalogue[reason] as unknown as Entry<ValuesOf<R>>;
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
  return info?.domain === ERROR_DOMAIN && Object.hasOwn(catalogue, info.reason) ? (info.reason as Reason) : undefined;
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
function encodeErrorInfo(reason: string, domain: string, metadata: Readonly<Record<string, string>>): Uint8Array {
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
function encodeRetryInfo(ms: number): Uint8Array {
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
