// A method's contract and policy as a schema's options say: method over service over file, field by field.
import type { DescField, DescMessage, DescMethod } from "@bufbuild/protobuf";
import { type Duration, MethodOptions_IdempotencyLevel } from "@bufbuild/protobuf/wkt";
import {
  type CacheContract,
  type ChannelContract,
  type ChannelKind,
  type ChannelPolicy,
  type ConflationContract,
  type HistoryContract,
  defaultKind,
} from "@raceway/core";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionOf } from "./option-of.ts";

/** A template's segments: literal text, or the field that the request has under that name. */
export const FIELD_IN_ADDRESS: RegExp = /^\{(\w+)\}$/;

export function kindOf(method: DescMethod): ChannelKind {
  return channelOf(method).kind.case ?? defaultKind(method.methodKind);
}

export function channelOf(method: DescMethod): ext.Channel {
  return optionOf(method, ext.channel);
}

/** The message whose stream is conflated. */
export function conflated(method: DescMethod): DescMessage {
  return kindOf(method) === "signal" ? method.input : method.output;
}

export function fieldRules(field: DescField): ext.FieldRules {
  return optionOf(field, ext.field);
}

/** Field names in an address, in order, as the schema writes them. */
export function namesInAddress(address: string): readonly string[] {
  return address.split("/").flatMap((segment) => FIELD_IN_ADDRESS.exec(segment)?.[1] ?? []);
}

export function contractOf(method: DescMethod): ChannelContract {
  const { kind } = channelOf(method);
  const wire = inherited(method, "wire");
  const transport = inherited(method, "transport");
  const lists = {
    allow: firstList(transport, (one) => one.allow),
    prefer: firstList(transport, (one) => one.prefer),
    deny: firstList(transport, (one) => one.deny),
  };
  const window = {
    messages: first(wire, (one) => one.windowMessages),
    bytes: first(wire, (one) => one.windowBytes),
  };
  const address = kind.case === "topic" || kind.case === "state" || kind.case === "queue" ? kind.value.address : "";
  return defined<ChannelContract>({
    kind: kindOf(method),
    address: address === "" ? undefined : address,
    addressFields: filled(namesInAddress(address).map((name) => fieldNamed(method.input, name)?.localName ?? name)),
    history: kind.case === "topic" || kind.case === "state" ? historyOf(kind.value.history) : undefined,
    conflation:
      kind.case === "topic" || kind.case === "signal"
        ? conflationOf(kind.value.conflation, conflated(method))
        : undefined,
    idempotency: idempotencyOf(method),
    timeoutMs: kind.case === "call" ? milliseconds(kind.value.timeout) : undefined,
    maxRetries: kind.case === "call" ? kind.value.maxRetries : undefined,
    cache: kind.case === "call" ? cacheOf(kind.value.cache) : undefined,
    maxMessageBytes: first(wire, (one) => one.maxMessageBytes),
    window: optional(window),
    transports: optional(lists),
  });
}

/** Undefined if nothing is said. A limit on subscribers is only inherited by what has subscribers. */
export function policyOf(method: DescMethod): ChannelPolicy | undefined {
  const chain = [
    optionOf(method, ext.policy),
    optionOf(method.parent, ext.service_policy),
    optionOf(method.parent.file, ext.file_policy),
  ];
  const kind = kindOf(method);
  const rateLimits = firstList(chain, (one) => one.rateLimits)?.map((one) =>
    defined<NonNullable<ChannelPolicy["rateLimits"]>[number]>({
      limit: one.limit,
      windowMs: milliseconds(one.window) ?? 0,
      scope: scopes[one.scope],
      burst: one.burst,
    }),
  );
  return optional<ChannelPolicy>({
    auth: authOf(chain.find((one) => one.auth !== undefined)?.auth),
    rateLimits,
    maxSubscribers: kind === "topic" || kind === "state" ? first(chain, (one) => one.maxSubscribers) : undefined,
    maxConcurrent: first(chain, (one) => one.maxConcurrent),
    audit: first(chain, (one) => one.audit),
  });
}

/** Whole milliseconds; the linter has refused what is not. */
export function milliseconds(duration: Duration | undefined): number | undefined {
  return duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
}

export function fieldNamed(message: DescMessage, name: string): DescField | undefined {
  return message.fields.find((field) => field.name === name);
}

export function markedAsKey(message: DescMessage): readonly DescField[] {
  return message.fields.filter((field) => fieldRules(field).key === true);
}

/** What the method, its service and its file say, in that order. */
function inherited<K extends "wire" | "transport">(
  method: DescMethod,
  part: K,
): readonly NonNullable<ext.Channel[K]>[] {
  const chain = [
    channelOf(method)[part],
    optionOf(method.parent, ext.service).defaults?.[part],
    optionOf(method.parent.file, ext.file).defaults?.[part],
  ];
  return chain.filter((one) => one !== undefined) as NonNullable<ext.Channel[K]>[];
}

function historyOf(history: ext.History | undefined): HistoryContract | undefined {
  if (history === undefined) return undefined;
  return optional<HistoryContract>({
    maxEvents: history.maxEvents === undefined ? undefined : Number(history.maxEvents),
    maxBytes: history.maxBytes === undefined ? undefined : Number(history.maxBytes),
    maxAgeMs: milliseconds(history.maxAge),
  });
}

function conflationOf(conflation: ext.Conflation | undefined, message: DescMessage): ConflationContract | undefined {
  if (conflation === undefined) return undefined;
  const key = conflation.key === undefined ? markedAsKey(message)[0] : fieldNamed(message, conflation.key);
  return defined<ConflationContract>({ key: key?.localName, intervalMs: milliseconds(conflation.interval) });
}

function cacheOf(cache: ext.CacheRules | undefined): CacheContract | undefined {
  if (cache === undefined) return undefined;
  const scope = cache.scope === ext.CacheRules_Scope.PUBLIC ? "public" : "private";
  return { maxAgeMs: milliseconds(cache.maxAge) ?? 0, scope };
}

function idempotencyOf(method: DescMethod): ChannelContract["idempotency"] {
  switch (method.idempotency) {
    case MethodOptions_IdempotencyLevel.IDEMPOTENT:
      return "idempotent";
    case MethodOptions_IdempotencyLevel.NO_SIDE_EFFECTS:
      return "no-side-effects";
    default:
      return undefined;
  }
}

function authOf(auth: ext.AuthRule | undefined): ChannelPolicy["auth"] {
  switch (auth?.rule.case) {
    case "public":
      return { public: true };
    case "require": {
      const { scopes: needed, roles, methods, policy, match } = auth.rule.value;
      return {
        require: defined({
          scopes: filled(needed),
          roles: filled(roles),
          methods: filled(methods),
          policy,
          match: matches[match],
        }),
      };
    }
    case undefined:
      return undefined;
  }
}

const matches: { readonly [match: number]: "all" | "any" } = {
  [ext.AuthRule_Require_Match.ALL]: "all",
  [ext.AuthRule_Require_Match.ANY]: "any",
};
const scopes: { readonly [scope: number]: "session" | "principal" | "address" | "channel" } = {
  [ext.RateLimit_Scope.SESSION]: "session",
  [ext.RateLimit_Scope.PRINCIPAL]: "principal",
  [ext.RateLimit_Scope.ADDRESS]: "address",
  [ext.RateLimit_Scope.CHANNEL]: "channel",
};

function first<T, V>(chain: readonly T[], read: (one: T) => V | undefined): V | undefined {
  for (const one of chain) {
    const value = read(one);
    if (value !== undefined) return value;
  }
  return undefined;
}

function firstList<T, V>(chain: readonly T[], read: (one: T) => readonly V[]): readonly V[] | undefined {
  return first(chain, (one) => filled(read(one)));
}

function filled<V>(list: readonly V[]): readonly V[] | undefined {
  return list.length > 0 ? list : undefined;
}

type Loose<T> = { readonly [K in keyof T]: T[K] | undefined };

/** Without the properties that are undefined. */
function defined<T extends object>(value: Loose<T>): T {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as T;
}

/** The same, and undefined if nothing is left. */
function optional<T extends object>(value: Loose<T>): T | undefined {
  const left = defined<T>(value);
  return Object.keys(left).length > 0 ? left : undefined;
}
