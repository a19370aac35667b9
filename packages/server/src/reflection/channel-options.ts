// What a server knows of a channel, said again as the options of a schema: the reverse of what the generator makes of them. What service and file
// said as defaults is said of each channel, and means the same.
import { type DescMethod, create } from "@bufbuild/protobuf";
import { type Duration, durationFromMs } from "@bufbuild/protobuf/wkt";
import type { ChannelContract, ChannelPolicy, ConflationContract, ErrorDeclarations } from "@raceway/core";
import type { ServedChannel } from "../channel.ts";
import * as ext from "../gen/raceway/v1/options_pb.ts";

export function channelOptions({ contract, desc, errors = {} }: ServedChannel): ext.Channel {
  const { maxMessageBytes, window, transports } = contract;
  return create(ext.ChannelSchema, {
    kind: kindOf(contract, desc),
    ...((maxMessageBytes ?? window) !== undefined && {
      wire: given({ maxMessageBytes, windowMessages: window?.messages, windowBytes: window?.bytes }),
    }),
    ...(transports !== undefined && { transport: mutable(transports) }),
    errors: errorRules(errors),
  });
}

type Kind = NonNullable<Parameters<typeof create<typeof ext.ChannelSchema>>[1]>["kind"];

function kindOf(contract: ChannelContract, desc: DescMethod): NonNullable<Kind> {
  const { kind, timeoutMs, maxRetries, cache, conflation } = contract;
  switch (kind) {
    case "call":
      return {
        case: "call",
        value: given({
          timeout: duration(timeoutMs),
          maxRetries,
          cache: cache && {
            maxAge: durationFromMs(cache.maxAgeMs),
            scope: cache.scope === "public" ? ext.CacheRules_Scope.PUBLIC : ext.CacheRules_Scope.PRIVATE,
          },
        }),
      };
    case "topic":
      return { case: "topic", value: given({ ...place(contract), conflation: conflationRule(conflation, desc) }) };
    case "state":
      return { case: "state", value: place(contract) };
    case "queue":
      return { case: "queue", value: { address: contract.address ?? "" } };
    case "signal":
      return { case: "signal", value: given({ conflation: conflationRule(conflation, desc) }) };
    case "feed":
      return { case: "feed", value: {} };
    case "duplex":
      return { case: "duplex", value: {} };
  }
}

interface Place {
  readonly address: string;
  readonly history?: { readonly maxEvents?: bigint; readonly maxBytes?: bigint; readonly maxAge?: Duration };
}

function place({ address = "", history }: ChannelContract): Place {
  return given({
    address,
    history:
      history &&
      given({
        maxEvents: count(history.maxEvents),
        maxBytes: count(history.maxBytes),
        maxAge: duration(history.maxAgeMs),
      }),
  });
}

/** The contract has the key by its name in TypeScript. */
function conflationRule(
  conflation: ConflationContract | undefined,
  { input, output, methodKind }: DescMethod,
): { readonly key?: string; readonly interval?: Duration } | undefined {
  if (conflation === undefined) return undefined;
  const { fields } = methodKind === "client_streaming" ? input : output;
  const key = fields.find(({ localName }) => localName === conflation.key)?.name;
  return given({ key, interval: duration(conflation.intervalMs) });
}

function errorRules(errors: ErrorDeclarations): ext.ErrorRule[] {
  return Object.values(errors).map(({ reason, code, message, detail }) =>
    create(ext.ErrorRuleSchema, {
      reason,
      code: code as number as ext.ErrorRule_Code, // both are the numbers of google.rpc.Code
      message,
      detail: detail === undefined ? "" : `.${detail.typeName}`, // with the dot it means the same in any package
    }),
  );
}

/** Also of a channel without any: that there is one says that policies are shown. */
export function policyOptions({ auth, rateLimits = [], ...numbers }: ChannelPolicy): ext.ServerPolicy {
  return create(ext.ServerPolicySchema, {
    ...numbers,
    ...(auth !== undefined && { auth: { rule: authRule(auth) } }),
    rateLimits: rateLimits.map(({ limit, windowMs, scope, burst }) =>
      given({
        limit,
        window: durationFromMs(windowMs),
        scope: scope && ext.RateLimit_Scope[scopes[scope]],
        burst,
      }),
    ),
  });
}

const scopes = { session: "SESSION", principal: "PRINCIPAL", address: "ADDRESS", channel: "CHANNEL" } as const;
const matches = { all: ext.AuthRule_Require_Match.ALL, any: ext.AuthRule_Require_Match.ANY } as const;

function authRule(
  auth: NonNullable<ChannelPolicy["auth"]>,
): NonNullable<Parameters<typeof create<typeof ext.AuthRuleSchema>>[1]>["rule"] & {} {
  if ("public" in auth) return { case: "public", value: true };
  const { match, ...lists } = auth.require;
  return { case: "require", value: { ...mutable(lists), ...(match !== undefined && { match: matches[match] }) } };
}

function duration(ms: number | undefined): Duration | undefined {
  return ms === undefined ? undefined : durationFromMs(ms);
}
function count(value: number | undefined): bigint | undefined {
  return value === undefined ? undefined : BigInt(value);
}

type Given<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Without what is undefined. */
function given<T extends object>(value: T): Given<T> {
  return Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as Given<T>;
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] extends readonly (infer V)[] | undefined ? V[] : T[K] };

/** protobuf-es wants lists that could be written to; it copies them. */
function mutable<T extends object>(value: T): Mutable<T> {
  return value as Mutable<T>;
}
