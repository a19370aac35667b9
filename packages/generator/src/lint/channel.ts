// Rules about what a channel is: kind and shape, calls, history, conflation.
import { type DescField, type DescMessage, type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import type { ChannelKind } from "@raceway/core";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { conflated, fieldNamed, fieldRules, milliseconds } from "../model/options.ts";
import { nearest } from "../near.ts";
import { optionPart } from "../place.ts";
import { lintDuration } from "./duration.ts";
import type { Report } from "./finding.ts";

const EMPTY = "google.protobuf.Empty";

/** Shapes that each kind can have. */
const shapes: { readonly [K in ChannelKind]: readonly DescMethod["methodKind"][] } = {
  call: ["unary", "client_streaming"],
  feed: ["server_streaming"],
  topic: ["server_streaming"],
  state: ["server_streaming"],
  queue: ["bidi_streaming"],
  duplex: ["bidi_streaming"],
  signal: ["client_streaming"],
};

/** Whether the kind fits the shape. */
export function lintKind(method: DescMethod, channel: ext.Channel, report: Report): boolean {
  const kind = channel.kind.case;
  if (kind === undefined) return true;
  if (shapes[kind].includes(method.methodKind) && (kind !== "signal" || method.output.typeName === EMPTY)) return true;
  report.error(
    "kind_shape",
    optionPart(method, ext.channel, [kind], kind),
    `a ${kind} is "${wanted(kind, method)}", but the rpc is "${signature(method)}"`,
    `write \`${wanted(kind, method)}\`, or remove \`${kind}\` from the options.`,
  );
  return false;
}

export function lintCall(method: DescMethod, channel: ext.Channel, report: Report): void {
  if (channel.kind.case !== "call") return;
  const { timeout, maxRetries, cache } = channel.kind.value;
  if (cache !== undefined) lintCache(method, cache, report);
  lintDuration(timeout, optionPart(method, ext.channel, ["call", "timeout"], "timeout"), "timeout", report);
  if (maxRetries === undefined || maxRetries === 0) return;
  const place = optionPart(method, ext.channel, ["call", "maxRetries"], "max_retries");
  if (method.methodKind !== "unary") {
    report.error(
      "retries_unsafe",
      place,
      "a streamed request cannot be sent again, so max_retries has no meaning",
      "remove max_retries.",
    );
  } else if (method.idempotency === MethodOptions_IdempotencyLevel.IDEMPOTENCY_UNKNOWN) {
    report.error(
      "retries_unsafe",
      place,
      `${method.name} would be sent again although it may have run already`,
      "add `option idempotency_level = IDEMPOTENT;` (or NO_SIDE_EFFECTS) to the rpc if that does no harm, or remove max_retries.",
    );
  }
}

/** In milliseconds; what HTTP's caches take for "for ever" (RFC 9111, 1.2.2, and practice). */
const YEAR_MS = 365 * 24 * 3600 * 1000;

function lintCache(method: DescMethod, cache: ext.CacheRules, report: Report): void {
  const at = (part?: string, token?: string) =>
    optionPart(method, ext.channel, ["call", "cache", ...(part === undefined ? [] : [part])], token);
  if (method.methodKind !== "unary") {
    report.error(
      "cache_invalid",
      at(undefined, "cache"),
      "what a stream of requests is answered cannot be given again",
      "remove cache.",
    );
    return;
  }
  if (method.idempotency !== MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS) {
    report.error(
      "cache_invalid",
      at(undefined, "cache"),
      `${method.name} may have effects, which a kept answer would not have`,
      "add `option idempotency_level = NO_SIDE_EFFECTS;` to the rpc if it has none, or remove cache.",
    );
  }
  const { maxAge, scope } = cache;
  if (ext.CacheRules_ScopeSchema.value[scope] === undefined)
    report.error(
      "cache_invalid",
      at("scope", "scope"),
      `${scope} is not a scope`,
      "write SCOPE_PRIVATE or SCOPE_PUBLIC.",
    );
  if (maxAge === undefined) {
    report.error(
      "cache_invalid",
      at(undefined, "cache"),
      "nothing says for how long an answer is good",
      "add a max_age, such as max_age: { seconds: 60 }.",
    );
  } else if (milliseconds(maxAge)! > YEAR_MS) {
    report.error(
      "cache_invalid",
      at("maxAge", "max_age"),
      "max_age is more than a year",
      "write at most 31536000 seconds, and check the unit.",
    );
  } else lintDuration(maxAge, at("maxAge", "max_age"), "max_age", report);
}

export function lintHistory(method: DescMethod, channel: ext.Channel, report: Report): void {
  const { kind } = channel;
  if ((kind.case !== "topic" && kind.case !== "state") || kind.value.history === undefined) return;
  const { maxEvents, maxBytes, maxAge } = kind.value.history;
  const at = (part?: string) =>
    optionPart(
      method,
      ext.channel,
      [kind.case, "history", ...(part === undefined ? [] : [part])],
      part === undefined ? "history" : undefined,
    );
  if (maxEvents === undefined && maxBytes === undefined && maxAge === undefined) {
    report.error(
      "history_invalid",
      at(),
      "this history limits nothing",
      "add max_events, max_bytes or max_age, or remove history to have the server's limits.",
    );
    return;
  }
  if (maxEvents === 0n && (maxBytes !== undefined || maxAge !== undefined)) {
    report.error(
      "history_invalid",
      at("maxEvents"),
      "max_events: 0 keeps nothing, so the other limits have no meaning",
      "remove them, or max_events.",
    );
  }
  if (maxBytes === 0n) {
    report.error(
      "history_invalid",
      at("maxBytes"),
      "max_bytes: 0 has no room for any event",
      "write max_events: 0 to keep nothing, or a size.",
    );
  }
  for (const [part, name, value] of [
    ["maxEvents", "max_events", maxEvents],
    ["maxBytes", "max_bytes", maxBytes],
  ] as const) {
    if (value !== undefined && value > BigInt(Number.MAX_SAFE_INTEGER)) {
      report.error(
        "history_invalid",
        at(part),
        `${name}: ${value} is more than can be counted`,
        `write at most ${Number.MAX_SAFE_INTEGER}.`,
      );
    }
  }
  lintDuration(maxAge, optionPart(method, ext.channel, [kind.case, "history", "maxAge"], "max_age"), "max_age", report);
}

export function lintConflation(method: DescMethod, channel: ext.Channel, report: Report): void {
  const { kind } = channel;
  if ((kind.case !== "topic" && kind.case !== "signal") || kind.value.conflation === undefined) return;
  const { key, interval } = kind.value.conflation;
  lintDuration(
    interval,
    optionPart(method, ext.channel, [kind.case, "conflation", "interval"], "interval"),
    "interval",
    report,
  );
  if (key === undefined) return;
  const place = optionPart(method, ext.channel, [kind.case, "conflation", "key"]);
  const message = conflated(method);
  const field = fieldNamed(message, key);
  if (field === undefined) {
    report.error("conflation_key", place, `${message.typeName} has no field \`${key}\``, didYouMean(key, message));
  } else if (!canBeKey(field)) {
    report.error(
      "conflation_key",
      place,
      `\`${key}\` is ${describeType(field)}, which cannot be compared`,
      "name a single string, bool, integer or enum field.",
    );
  } else if (fieldRules(field).sensitive === true) {
    report.error(
      "address_field_sensitive",
      place,
      `\`${key}\` is marked as sensitive, and keys are logged`,
      "name another field.",
    );
  }
}

/** A single value that can be compared and written down. */
export function canBeKey(field: DescField): boolean {
  if (field.oneof !== undefined) return false;
  if (field.fieldKind === "enum") return true;
  return (
    field.fieldKind === "scalar" &&
    field.scalar !== ScalarType.BYTES &&
    field.scalar !== ScalarType.DOUBLE &&
    field.scalar !== ScalarType.FLOAT
  );
}

export function describeType(field: DescField): string {
  if (field.oneof !== undefined) return `part of the oneof \`${field.oneof.name}\``;
  switch (field.fieldKind) {
    case "scalar":
      return ScalarType[field.scalar].toLowerCase();
    case "enum":
      return `the enum ${field.enum.typeName}`;
    case "message":
      return `the message ${field.message.typeName}`;
    case "list":
      return "repeated";
    case "map":
      return "a map";
  }
}

export function didYouMean(name: string, message: DescMessage): string {
  const guess = nearest(
    name,
    message.fields.map((field) => field.name),
  );
  if (guess !== undefined) return `did you mean \`${guess}\`?`;
  const fields = message.fields.map((field) => `\`${field.name}\``);
  return fields.length > 0 ? `its fields are ${fields.join(", ")}.` : "add a field to it.";
}

function signature(method: DescMethod): string {
  return rpc(
    method,
    method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    method.output.name,
  );
}

function wanted(kind: ChannelKind, method: DescMethod): string {
  const streamsIn =
    kind === "queue" ||
    kind === "duplex" ||
    kind === "signal" ||
    (kind === "call" && method.methodKind === "client_streaming");
  const streamsOut = kind !== "call" && kind !== "signal";
  return rpc(method, streamsIn, streamsOut, kind === "signal" ? EMPTY : method.output.name);
}

function rpc(method: DescMethod, streamsIn: boolean, streamsOut: boolean, output: string): string {
  return `rpc ${method.name}(${streamsIn ? "stream " : ""}${method.input.name}) returns (${streamsOut ? "stream " : ""}${output})`;
}
