// Reasons that only servers give, and the whole catalogue. In Node all are loaded; a page's bundle has this part only if it has a server.
import { Code } from "@connectrpc/connect";
import { codecReasons } from "./errors-codec.ts";
import { discoveryReasons } from "./errors-discovery.ts";
import { middlewareReasons } from "./errors-middleware.ts";
import { oauthReasons } from "./errors-oauth.ts";
import { resilienceReasons } from "./errors-resilience.ts";
import { type Count, type Size, common, learn } from "./errors.ts";

/** Reasons are permanent; a retired one stays, marked. */
export const serverReasons = {
  handler_failed: {
    code: Code.Internal as Code,
    message: (): string => "The handler failed. The server's log has the cause.",
  },
  link_unknown: {
    code: Code.NotFound as Code,
    message: (v: { transport: string }): string =>
      `There is no such ${v.transport} link here, or no more. Open another; the session resumes on it.`,
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
  hello_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `First batch of ${v.bytes} bytes exceeds the handshake's limit of ${v.limit}. Send less metadata in Hello.`,
  },
  too_many_sessions: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { retryAfterMs?: number }): string =>
      `${v.count} sessions are open, the limit is ${v.limit}. Close some, or raise limits.sessionsPerPrincipal or limits.sessionsPerAddress.`,
  },
  too_many_resumes: {
    code: Code.ResourceExhausted as Code,
    message: (v: { limit: number; retryAfterMs?: number }): string =>
      `The session is resumed more than ${v.limit} times a second. Wait as long as the error says, or raise limits.resumesPerSecond.`,
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
  origin_refused: {
    code: Code.PermissionDenied as Code,
    message: (v: { origin: string }): string =>
      `Pages of origin ${v.origin} may not talk to this server. Add it to allowedOrigins.`,
  },
  channel_unknown: {
    code: Code.Unimplemented as Code,
    message: (v: { path: string; client?: string; agent?: string; server?: string }): string =>
      `There is no channel ${v.path} here.${versionsText(v)} Serve it, or check that both ends were generated from the same schema.`,
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
  app_started: {
    code: Code.FailedPrecondition as Code,
    message: (v: { service: string }): string =>
      `${v.service} cannot be served: the server has started. Call app.serve before listen, attach or fetch.`,
  },
  policy_unenforced: {
    code: Code.FailedPrecondition as Code,
    message: (v: { path: string; policy: string; plugin: string }): string =>
      `The schema's policy says ${v.policy} for ${v.path}, and no plugin enforces it. Add ${v.plugin} to use, or take the policy out of the schema.`,
  },
  admin_request_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { detail: string }): string =>
      `The request to the admin service is not valid: ${v.detail}. See schemas/raceway/v1/admin.proto.`,
  },
  topic_unknown: {
    code: Code.NotFound as Code,
    message: (v: { address: string }): string =>
      `No topic of this server has the address ${v.address}. Check it against the templates in the schema.`,
  },
  topic_ambiguous: {
    code: Code.InvalidArgument as Code,
    message: (v: { address: string; channels: string }): string =>
      `The address ${v.address} may be of each of ${v.channels}. Name the channel, too.`,
  },
  disconnected: {
    code: Code.Unavailable as Code,
    message: (v: { reason: string }): string =>
      `An administrator ended the session: ${v.reason}. It may be opened again.`,
  },
  stays_away: {
    code: Code.PermissionDenied as Code,
    message: (v: { reason: string; retryAfterMs?: number }): string =>
      `An administrator has this principal stay away: ${v.reason}. Come back when the time in the error is over.`,
  },
  unsubscribed: {
    code: Code.Aborted as Code,
    message: (v: { address: string; reason: string }): string =>
      `An administrator ended the subscription to ${v.address}: ${v.reason}.`,
  },
  route_taken: {
    code: Code.InvalidArgument as Code,
    message: (v: { path: string; plugin: string }): string =>
      `Plugin ${v.plugin} wants to answer at ${v.path}, where something else answers. Give it another path.`,
  },
  service_unguarded: {
    code: Code.InvalidArgument as Code,
    message: (v: { service: string }): string =>
      `Nothing is said of who may call ${v.service}. Give auth: { require: { roles: ["operator"] } }, say, or auth: { public: true } if everybody may.`,
  },
  service_twice: {
    code: Code.InvalidArgument as Code,
    message: (v: { service: string }): string =>
      `Service ${v.service} is served twice. Merge the handlers into one object.`,
  },
} as const;

/** What is known of both sides of a channel that one of them does not have; "" if nothing is. */
function versionsText({ client, agent, server }: { client?: string; agent?: string; server?: string }): string {
  const known = [
    ...(client === undefined ? [] : [`the client has version ${client} of its schema`]),
    ...(agent === undefined ? [] : [`the client is ${agent}`]),
    ...(server === undefined
      ? []
      : [`the server has version ${server}${client === undefined ? " of its schema" : ""}`]),
  ].join(", ");
  return known === "" ? "" : ` ${known[0]!.toUpperCase()}${known.slice(1)}.`;
}

/** All reasons. */
export const catalogue: typeof common &
  typeof serverReasons &
  typeof codecReasons &
  typeof discoveryReasons &
  typeof middlewareReasons &
  typeof oauthReasons &
  typeof resilienceReasons = {
  ...common,
  ...serverReasons,
  ...codecReasons,
  ...discoveryReasons,
  ...middlewareReasons,
  ...oauthReasons,
  ...resilienceReasons,
};

learn(catalogue);
