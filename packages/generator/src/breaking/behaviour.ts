// Rules about behaviour: what a channel promised its users, and does no more. Each compares a method of the old schema with the same of the new.
import { type DescExtension, type DescMethod, createFileRegistry, hasOption } from "@bufbuild/protobuf";
import type { ChannelContract, ChannelPolicy } from "@raceway/core";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import type { Finding } from "../lint/finding.ts";
import { codeOf, errorsOf } from "../model/errors.ts";
import { conflated, contractOf, fieldNamed, markedAsKey, namesInAddress, policyOf } from "../model/options.ts";
import { nameOf, optionPart } from "../place.ts";
import { authTightened } from "./auth-tightened.ts";
import type { SchemaSet, ServedSchemas } from "./baseline.ts";
import type { BreakingRule } from "./breaking-rules.ts";
import { methodNamed, servicesOf } from "./removed.ts";

interface Side {
  readonly method: DescMethod;
  readonly contract: ChannelContract;
  /** Undefined: not known. */
  readonly policy: ChannelPolicy | undefined;
}

interface Change {
  readonly rule: BreakingRule;
  /** "the kind was topic, and is state". */
  readonly message: string;
  readonly mend: string;
  /** Where in the new schema: an option, and the way into it. The name of the method, if it says nothing there itself. */
  readonly at: readonly [option: DescExtension, ...parts: (string | number)[]] | undefined;
}

type Compare = (before: Side, after: Side) => Iterable<Change>;

/** Without `policies`, they are not compared. */
export function compareChannels(
  before: SchemaSet,
  after: SchemaSet,
  { policies, report }: { readonly policies: boolean; readonly report: (finding: Finding) => void },
): void {
  for (const service of servicesOf(before)) {
    const now = after.registry.getService(service.typeName);
    if (now === undefined) continue; // which has been said
    for (const method of service.methods) {
      const same = methodNamed(now, method.name);
      if (same === undefined || same.methodKind !== method.methodKind) continue; // as above
      const sides = [sideOf(method, policies), sideOf(same, policies)] as const;
      // Settings of another kind have nothing to be compared with.
      const rules = sides[0].contract.kind === sides[1].contract.kind ? ofOneKind : [kindChanged];
      for (const { rule, message, mend, at } of rules.flatMap((compare) => [...compare(...sides)]))
        report({ rule, severity: "error", message: `${method.name}: ${message}`, mend, place: placeOf(same, at) });
    }
  }
}

function sideOf(method: DescMethod, policies: boolean): Side {
  return { method, contract: contractOf(method), policy: policies ? (policyOf(method) ?? {}) : undefined };
}

/** Whether a server says of its channels who may use them. It says so of each, also that there is nothing to say. */
export function showsPolicies({ set, services }: ServedSchemas): boolean {
  const registry = createFileRegistry(set);
  return services.some((name) => registry.getService(name)?.methods.some((method) => hasOption(method, ext.policy)));
}

function placeOf(method: DescMethod, at: Change["at"]): Finding["place"] {
  if (at === undefined) return nameOf(method);
  const [option, ...parts] = at;
  return hasOption(method, option) ? optionPart(method, option, parts) : nameOf(method);
}

function* kindChanged({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  yield {
    rule: "channel_kind",
    message: `the channel was a ${before.kind}, and is a ${after.kind}`,
    mend: `make it a ${before.kind} again, and add an rpc for the ${after.kind}.`,
    at: [ext.channel],
  };
}

function* addressChanged(before: Side, after: Side): Iterable<Change> {
  // A field that was renamed still gives the same address.
  if (numbered(before) === numbered(after)) return;
  const [was, is] = [before, after].map(({ contract }) => contract.address ?? "that of its path");
  yield {
    rule: "address_changed",
    message: `the address was ${was}, and is ${is}: logs and subscribers of the old one are left behind`,
    mend: `write ${was} again, or add an rpc for the new address.`,
    at: [ext.channel, after.contract.kind],
  };
}

/** "rooms/{room}" as "rooms/{#1}". */
function numbered({ contract: { address = "" }, method }: Side): string {
  return namesInAddress(address).reduce(
    (text, name) => text.replace(`{${name}}`, `{#${fieldNamed(method.input, name)?.number}}`),
    address,
  );
}

function* keyChanged(before: Side, after: Side): Iterable<Change> {
  // Nothing was replaced, or nothing is: a conflation that is new has a rule of its own.
  if (after.contract.kind !== "state" && [before, after].some(({ contract }) => contract.conflation === undefined))
    return;
  const [was, is] = [keyOf(before), keyOf(after)];
  if (was?.number === is?.number) return;
  const [named, now] = [was, is].map((field) => (field === undefined ? "none" : `\`${field.name}\``));
  yield {
    rule: "key_changed",
    message: `the key of ${conflated(after.method).name} was ${named}, and is ${now}: other messages replace each other than before`,
    mend: "make the old field the key again, or add an rpc for the new one.",
    at: [ext.channel, after.contract.kind],
  };
}

/** By which messages replace each other: of a conflation that was there before, and of all changes of a state. */
function keyOf({
  method,
  contract: { kind, conflation },
}: Side): { readonly name: string; readonly number: number } | undefined {
  const message = conflated(method);
  if (kind === "state") return markedAsKey(message)[0];
  return conflation?.key === undefined
    ? undefined
    : message.fields.find(({ localName }) => localName === conflation.key);
}

function* historyShortened({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  const parts = [
    ["maxEvents", "max_events", ""],
    ["maxBytes", "max_bytes", " bytes"],
    ["maxAgeMs", "max_age", " ms"],
  ] as const;
  for (const [part, name, unit] of parts) {
    const [was, is] = [before.history?.[part], after.history?.[part]];
    if (!lowered(was, is)) continue;
    yield {
      rule: "history_shortened",
      message: `${name} of the history was ${amount(was, unit)}, and is ${amount(is, unit)}: who was away for longer misses events`,
      mend: was === undefined ? `remove ${name}.` : `write at least ${amount(was, unit)}.`,
      at: [ext.channel, after.kind, "history"],
    };
  }
}

function* conflationAdded({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  if (after.kind !== "topic" || after.conflation === undefined) return; // signals always leave out what is old
  const at: Change["at"] = [ext.channel, "topic", "conflation"];
  if (before.conflation === undefined) {
    const message = "the topic had no conflation, and has one: subscribers that are behind no longer get all events";
    yield { rule: "conflation_added", message, mend: "remove it, or add an rpc that has it.", at };
    return;
  }
  const [was = 0, is = 0] = [before.conflation.intervalMs, after.conflation.intervalMs];
  if (is <= was) return;
  const message = `the interval of the conflation was ${was} ms, and is ${is} ms: subscribers get fewer events`;
  yield { rule: "conflation_added", message, mend: `write ${was} ms at most.`, at };
}

const promises = { none: 0, idempotent: 1, "no-side-effects": 2 } as const;

function* idempotencyWeakened({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  const was = before.idempotency ?? "none";
  const is = after.idempotency ?? "none";
  if (promises[is] >= promises[was]) return;
  yield {
    rule: "idempotency_weakened",
    message: `the idempotency was ${was}, and is ${is}: clients that send the call again, or by GET, do harm or are refused`,
    mend: `write \`option idempotency_level = ${was === "idempotent" ? "IDEMPOTENT" : "NO_SIDE_EFFECTS"};\` again, or add an rpc.`,
    at: undefined,
  };
}

function* cacheWidened({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  if (after.cache === undefined) return;
  const at: Change["at"] = [ext.channel, "call", "cache"];
  if (before.cache === undefined) {
    const whom = after.cache.scope === "public" ? ", for all who may make the call" : "";
    const message = `answers were never kept, and are for ${after.cache.maxAgeMs} ms${whom}: clients see older ones`;
    yield { rule: "cache_widened", message, mend: "remove cache.", at };
    return;
  }
  const [was, is] = [before.cache.maxAgeMs, after.cache.maxAgeMs];
  if (is > was) {
    const message = `answers were kept for ${was} ms, and are for ${is} ms: clients see older ones`;
    yield { rule: "cache_widened", message, mend: `write a max_age of ${was} ms at most.`, at };
  }
  if (after.cache.scope !== "public" || before.cache.scope === "public") return;
  const message = "answers were for their own principal only, and are for all who may make the call";
  yield { rule: "cache_widened", message, mend: "write `scope: SCOPE_PRIVATE`.", at };
}

function* transportRemoved({ contract: before }: Side, { contract: after }: Side): Iterable<Change> {
  const lists = [before.transports, after.transports].flatMap((one) => [...(one?.allow ?? []), ...(one?.deny ?? [])]);
  const lost = [...new Set(lists)].filter((name) => carries(before, name) && !carries(after, name));
  if (before.transports?.allow === undefined && after.transports?.allow !== undefined)
    lost.push(`all but ${after.transports.allow.join(", ")}`);
  if (lost.length === 0) return;
  yield {
    rule: "transport_removed",
    message: `the channel could be carried by ${lost.join(", ")}, and cannot any more: clients that have no other are cut off`,
    mend: "allow them again, until no client needs them.",
    at: [ext.channel, "transport"],
  };
}

function carries({ transports: { allow, deny = [] } = {} }: ChannelContract, name: string): boolean {
  return (allow?.includes(name) ?? true) && !deny.includes(name);
}

function* limitLowered(before: Side, after: Side): Iterable<Change> {
  const limits = [
    [
      "max_message_bytes",
      before.contract.maxMessageBytes,
      after.contract.maxMessageBytes,
      " bytes",
      [ext.channel, "wire"],
    ],
    ["timeout", before.contract.timeoutMs, after.contract.timeoutMs, " ms", [ext.channel, "call"]],
    [
      "max_subscribers",
      before.policy?.maxSubscribers,
      after.policy?.maxSubscribers,
      "",
      [ext.policy, "maxSubscribers"],
    ],
    ["max_concurrent", before.policy?.maxConcurrent, after.policy?.maxConcurrent, "", [ext.policy, "maxConcurrent"]],
  ] as const;
  for (const [name, was, is, unit, at] of limits) {
    if (!lowered(was, is)) continue;
    yield {
      rule: "limit_lowered",
      message: `${name} was ${amount(was, unit)}, and is ${amount(is, unit)}`,
      mend: was === undefined ? `remove ${name}.` : `write at least ${amount(was, unit)}.`,
      at,
    };
  }
  const old = before.policy?.rateLimits ?? [];
  for (const rate of after.policy?.rateLimits ?? []) {
    if (old.some((one) => coversRate(one, rate))) continue;
    const same = old.filter(({ scope = "principal" }) => scope === (rate.scope ?? "principal"));
    yield {
      rule: "limit_lowered",
      message: `the rate was ${same.map(rateText).join(" and ") || "not limited in this scope"}, and is ${rateText(rate)}`,
      mend:
        same.length === 0 ? "remove the limit, or give it a scope that had one." : "write at least as much as before.",
      at: [ext.policy, "rateLimits"],
    };
  }
}

type Rate = NonNullable<ChannelPolicy["rateLimits"]>[number];

/** Whether all that the new limit refuses was refused before. */
function coversRate(old: Rate, now: Rate): boolean {
  return (
    (old.scope ?? "principal") === (now.scope ?? "principal") &&
    old.limit * now.windowMs <= now.limit * old.windowMs &&
    (old.burst ?? old.limit) <= (now.burst ?? now.limit)
  );
}

function rateText({ limit, windowMs, scope = "principal", burst = limit }: Rate): string {
  return `${limit} in ${windowMs} ms per ${scope}${burst === limit ? "" : `, ${burst} at once`}`;
}

function* authChanged({ policy: before }: Side, { policy: after }: Side): Iterable<Change> {
  const message = authTightened(before?.auth, after?.auth);
  if (message === undefined) return;
  const mend = "let them in as before until they have what is asked for, or add an rpc.";
  yield { rule: "auth_tightened", message, mend, at: [ext.policy, "auth"] };
}

function* errorsChanged({ method: before }: Side, { method: after }: Side): Iterable<Change> {
  const now = new Map(errorsOf(after).map((error) => [error.rule.reason, error]));
  for (const { rule, detail } of errorsOf(before)) {
    const same = now.get(rule.reason);
    if (same === undefined) {
      const message = `the error ${rule.reason} was declared, and is not any more: what clients do about it is never done`;
      yield { rule: "error_removed", message, mend: "declare it again.", at: [ext.channel] };
      continue;
    }
    const at: Change["at"] = same.holder.kind === "rpc" ? [ext.channel, "errors", same.position] : undefined;
    const facts = [
      ["code", codeOf(rule.code), codeOf(same.rule.code)],
      ["detail", detail?.typeName ?? "none", same.detail?.typeName ?? "none"],
    ] as const;
    for (const [what, was, is] of facts.filter(([, one, other]) => one !== other))
      yield {
        rule: "error_changed",
        message: `the ${what} of the error ${rule.reason} was ${was}, and is ${is}`,
        mend: `write ${was} again, or declare an error with another reason.`,
        at,
      };
  }
}

/** A limit that was left to the server counts as more than any. */
function lowered(before: number | undefined, after: number | undefined): boolean {
  return after !== undefined && (before === undefined || after < before);
}

function amount(value: number | undefined, unit: string): string {
  return value === undefined ? "left to the server" : `${value}${unit}`;
}

const ofOneKind: readonly Compare[] = [
  addressChanged,
  keyChanged,
  historyShortened,
  conflationAdded,
  idempotencyWeakened,
  cacheWidened,
  transportRemoved,
  limitLowered,
  authChanged,
  errorsChanged,
];
