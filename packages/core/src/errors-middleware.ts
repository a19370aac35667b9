// Reasons of the shipped middleware. Those that have none of it do not load them.
import { Code } from "@connectrpc/connect";
import type { Count, Size } from "./errors.ts";

/** Reasons are permanent; a retired one stays, marked. */
export const middlewareReasons = {
  // Who is it?
  credential_missing: {
    code: Code.Unauthenticated as Code,
    message: (v: { scheme: string }): string => `No credential came. Send ${v.scheme}.`,
  },
  credential_invalid: {
    code: Code.Unauthenticated as Code,
    message: (v: { detail: string }): string => `The credential is not valid: ${v.detail}. Get a fresh one.`,
  },
  credential_expired: {
    code: Code.Unauthenticated as Code,
    message: (): string =>
      "The credential has expired. Get a fresh one; connections with a bearer do so by themselves.",
  },
  credential_revoked: {
    code: Code.Unauthenticated as Code,
    message: (): string => "The credential was revoked. Sign in again.",
  },
  keys_unavailable: {
    code: Code.Unavailable as Code,
    message: (v: { detail: string }): string =>
      `Whether the credential is valid cannot be found out now: its issuer failed (${v.detail}). Try again.`,
  },
  principal_changed: {
    code: Code.Unauthenticated as Code,
    message: (): string => "The fresh credential is another principal's. Open a new session for it.",
  },
  cross_site_refused: {
    code: Code.PermissionDenied as Code,
    message: (v: { detail: string }): string =>
      `A cookie came with a request that ${v.detail}. Send it from a page of this server, or from one of the origins of session-cookie, or with the CSRF token.`,
  },
  cookie_too_large: {
    code: Code.InvalidArgument as Code,
    message: (v: Size & { cookie: string }): string =>
      `Cookie ${v.cookie} of ${v.bytes} bytes exceeds the ${v.limit} that browsers keep. Put less into the principal, or keep sessions in a store of your own (lookup).`,
  },
  // May he?
  permission_denied: {
    code: Code.PermissionDenied as Code,
    message: (v: { path: string; why: string }): string => `${v.path} is not for this principal: ${v.why}.`,
  },
  address_refused: {
    code: Code.PermissionDenied as Code,
    message: (v: { address: string }): string =>
      `Clients from ${v.address} are not admitted here. Come from an allowed network, or change the lists of ip-filter.`,
  },
  // Is it what was sent?
  signature_missing: {
    code: Code.Unauthenticated as Code,
    message: (v: { path: string; detail: string }): string =>
      `${v.path} takes signed calls only, and ${v.detail}. Add signer() to the client's plugins.`,
  },
  signature_invalid: {
    code: Code.Unauthenticated as Code,
    message: (v: { path: string; detail: string }): string =>
      `The signature of a call of ${v.path} is not valid: ${v.detail}. Sign with the key of that id, and change nothing on the way.`,
  },
  signature_key_unknown: {
    code: Code.Unauthenticated as Code,
    message: (v: { path: string; key: string }): string =>
      `A call of ${v.path} is signed with key "${v.key}", which is not known here. Add it to the keys of verifier, or sign with another.`,
  },
  signature_expired: {
    code: Code.Unauthenticated as Code,
    message: (v: { path: string; ms: number; windowMs: number }): string =>
      `A call of ${v.path} was signed ${v.ms} ms from now, and ${v.windowMs} are allowed. Sign it anew; if that does not help, set the clock.`,
  },
  signature_replayed: {
    code: Code.Unauthenticated as Code,
    message: (v: { path: string }): string => `A signed call of ${v.path} came a second time. Sign each call anew.`,
  },
  reply_unsigned: {
    code: Code.DataLoss as Code,
    message: (v: { path: string; detail: string }): string =>
      `What ${v.path} answered was not taken: ${v.detail}. Add replySigner() to the server's plugins, or name the channel in unsigned.`,
  },
  reply_forged: {
    code: Code.DataLoss as Code,
    message: (v: { path: string; detail: string }): string =>
      `What ${v.path} answered was not taken: ${v.detail}. Somebody changed it on its way, or the server signs with another key.`,
  },
  // Can it be read?
  sealed_missing: {
    code: Code.DataLoss as Code,
    message: (v: { type: string; where: string }): string =>
      `${v.type} came open in ${v.where}, where only what is sealed is taken: anybody may have written it. Seal it, or name the channel in skip of encryption.`,
  },
  sealed_invalid: {
    code: Code.DataLoss as Code,
    message: (v: { type: string; where: string }): string =>
      `${v.type} in ${v.where} cannot be opened: it was altered, sealed for another place, or with another key of the same id. Have it sent again, and ask who could change it.`,
  },
  sealed_key_unknown: {
    code: Code.DataLoss as Code,
    message: (v: { type: string; where: string; key: string }): string =>
      `${v.type} in ${v.where} is sealed with key "${v.key}", which is not known here. Add it to the keys of encryption.`,
  },
  // Is it as the schema wants it?
  message_invalid: {
    code: Code.InvalidArgument as Code,
    message: (v: { type: string; violations: string }): string =>
      `${v.type} breaks rules of its schema: ${v.violations}. Correct the message.`,
  },
  response_invalid: {
    code: Code.Internal as Code,
    message: (v: { type: string; violations: string }): string =>
      `The response ${v.type} breaks rules of its schema: ${v.violations}. Correct the server's handler.`,
  },
  rule_failed: {
    code: Code.Internal as Code,
    message: (v: { type: string }): string =>
      `A rule of ${v.type} could not be applied, so the message was not let through. The server's log says why; correct the rule.`,
  },
  // How much?
  rate_limited: {
    code: Code.ResourceExhausted as Code,
    message: (v: { path: string; perSecond: number; scope: string; retryAfterMs?: number }): string =>
      `${v.path} is used more than ${v.perSecond} times a second per ${v.scope}. Wait as long as the error says, or raise its rate limit.`,
  },
  channel_busy: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { path: string; retryAfterMs?: number }): string =>
      `${v.count} calls of ${v.path} run, the limit is ${v.limit}. Wait for some to end, or raise max_concurrent or the options of limits.`,
  },
  topic_crowded: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { address: string; retryAfterMs?: number }): string =>
      `Topic ${v.address} has ${v.count} subscribers, the limit is ${v.limit}. Wait for some to leave, or raise max_subscribers or the options of limits.`,
  },
  bytes_limited: {
    code: Code.ResourceExhausted as Code,
    message: (v: { perSecond: number; scope: string; retryAfterMs?: number }): string =>
      `More than ${v.perSecond} bytes a second per ${v.scope}. Wait as long as the error says, or raise the options of limits.`,
  },
  share_used_up: {
    code: Code.ResourceExhausted as Code,
    message: (v: Count & { what: string; scope: string; retryAfterMs?: number }): string =>
      `${v.count} ${v.what} of one ${v.scope}, the limit is ${v.limit}. Close some, or raise the options of limits.`,
  },
  // What a peer sent
  batch_expands: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Coded bytes (${v.bytes}) become more than ${v.limit}. The link is closed; a coded part may become a hundred times as large, a batch limits.decodedBytes.`,
  },
  compressed_too_large: {
    code: Code.ResourceExhausted as Code,
    message: (v: Size): string =>
      `Compressed message of ${v.bytes} bytes becomes more than ${v.limit}: limits.messageBytes, or a thousand times what came. Split it, or send it as it is.`,
  },
  compressed_malformed: {
    code: Code.InvalidArgument as Code,
    message: (v: { algorithm: string; detail: string }): string =>
      `Message is not what ${v.algorithm} makes: ${v.detail}. Compress it by what its header says, or send it as it is.`,
  },
  // Configuration
  policy_unknown: {
    code: Code.FailedPrecondition as Code,
    message: (v: { path: string; policy: string }): string =>
      `${v.path} asks for policy "${v.policy}", which nobody has given. Add it to the policies of rbac.`,
  },
  app_not_started: {
    code: Code.FailedPrecondition as Code,
    message: (v: { what: string }): string =>
      `${v.what} was called before its server started. Call it after listen, attach or the first fetch.`,
  },
  rule_unused: {
    code: Code.InvalidArgument as Code,
    message: (v: { plugin: string; rule: string }): string =>
      `A rule of ${v.plugin} is for ${v.rule}, and no channel of that name is served. Write it as "package.Service/Method" or "package.Service/*".`,
  },
} as const;
