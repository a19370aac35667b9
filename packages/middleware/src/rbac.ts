// Who may use which channel: scopes and roles from the schema's policy, and rules of the application with the request at hand.
import { type ContextValues, ConnectError, type Interceptor, type StreamResponse } from "@connectrpc/connect";
import {
  type ChannelInfo,
  type ChannelPolicy,
  type Plugin,
  type Principal,
  checkOptionNames,
  definePlugin,
  fail,
  learn,
  middlewareReasons,
  principal,
  sessionId,
} from "@raceway/core";
import { firstMessage } from "./first-message.ts";

learn(middlewareReasons);

/** What a rule decides about. */
export interface Asked {
  readonly principal: Principal;
  /** "/package.Service/Method". */
  readonly channel: string;
  /** The message of the request. Undefined where there is none yet: uploads and conversations are asked about when they begin. */
  readonly request: unknown;
  /** Topics: which one. */
  readonly address: string | undefined;
  readonly context: ContextValues;
}
/** What a rule on publishing decides about. */
export interface AskedToPublish extends Asked {
  readonly address: string;
  readonly message: unknown;
}
/** True lets in; false, or a text for the error, does not; an error that is thrown is the answer. */
export type Rule<A = Asked> = (asked: A) => boolean | string | Promise<boolean | string>;

export interface RbacOptions {
  /** Functions that `auth.require.policy` in the schema names. */
  readonly policies?: Readonly<Record<string, Rule>>;
  /** More rules, by channel: "package.Service/Method", or "package.Service/*" for those of a service that have none of their own. What the schema says holds, too. */
  readonly rules?: Readonly<Record<string, Rule>>;
  /** Rules on who publishes, by topic channel; asked when a handler passes its context to `publish`. The server itself may always. */
  readonly publish?: Readonly<Record<string, Rule<AskedToPublish>>>;
  /** Who may use channels of which neither schema nor rules say anything. Default "authenticated": any known principal. */
  readonly default?: "deny" | "authenticated" | "public";
}

type Requirement = Exclude<NonNullable<ChannelPolicy["auth"]>, { readonly public: true }>["require"];

/** Holds every call, subscription and publication to the schema's `auth` policy and to the rules given. Needs a plugin that provides a principal. */
export function rbac(options: RbacOptions = {}): Plugin {
  checkOptions(options);
  return definePlugin({
    name: "rbac",
    requires: [principal],
    enforces: ["auth"],
    start: () => {
      const running = new Map<string, Set<Running>>();
      const unused = new Set([...Object.keys(options.rules ?? {}), ...Object.keys(options.publish ?? {})]);
      const decide = (channel: ChannelInfo): Decision | undefined => {
        for (const table of [options.rules, options.publish])
          for (const name of namesOf(channel, table)) unused.delete(name);
        return decisionOf(channel, options);
      };
      return {
        ready() {
          const [rule] = unused;
          if (rule !== undefined) throw fail("rule_unused", { plugin: "rbac", rule });
        },
        /** Whoever comes back, or shows a fresh credential, may have lost what streams that run need. */
        async session(opening) {
          if (opening.kind === "open" || opening.kind === "native") return;
          const { context } = opening;
          for (const each of running.get(context.get(sessionId)) ?? []) {
            // Somebody else's word says nothing about this one's rights; he will be refused.
            if (each.asked.principal.id !== context.get(principal).id) continue;
            try {
              const who = context.get(principal);
              await each.decision({ ...each.asked, principal: who, context });
              each.granted = who;
            } catch (error) {
              each.end(ConnectError.from(error));
            }
          }
        },
        call(channel): Interceptor | undefined {
          if (channel.gated) return undefined; // its gate is asked
          const decision = decide(channel);
          return decision && callGuard(channel, decision, running);
        },
        topic(channel) {
          const decision = decide(channel);
          const publish = ruleOf(channel, options.publish);
          return {
            ...(decision && {
              subscribe: ({ address, request, context }) =>
                decision({ principal: context.get(principal), channel: channel.path, request, address, context }),
            }),
            ...(publish && {
              async publish({ address, key, message, context }) {
                if (context === undefined) return;
                const who = context.get(principal);
                const asked = { principal: who, channel: channel.path, request: key, address, context, message };
                refuseUnless(await publish(asked), channel.path);
              },
            }),
          };
        },
      };
    },
  });
}

/** Throws to refuse. */
type Decision = (asked: Asked) => void | Promise<void>;

interface Running {
  readonly decision: Decision;
  readonly asked: Asked;
  /** For whom it was decided last. */
  granted: Principal;
  end(error: ConnectError): void;
}

function decisionOf(channel: ChannelInfo, options: RbacOptions): Decision | undefined {
  const { path } = channel;
  const auth = channel.policy?.auth;
  const rules: Rule[] = [];
  const own = ruleOf(channel, options.rules);
  if (own !== undefined) rules.push(own);
  let require: Requirement | undefined;
  if (auth !== undefined && "require" in auth) {
    ({ require } = auth);
    if (require.policy !== undefined) {
      const rule = options.policies?.[require.policy];
      if (rule === undefined) throw fail("policy_unknown", { path, policy: require.policy });
      rules.push(rule);
    }
  } else if (auth === undefined && own === undefined) {
    if (options.default === "public") return undefined;
    if (options.default === "deny") return () => refuseUnless(false, path);
    require = {};
  }
  if (require === undefined && rules.length === 0) return undefined; // public: absent, not skipped
  return (asked) => {
    if (require !== undefined) meets(asked.principal, require, path);
    if (rules.length > 0) return allow(rules, asked);
    return undefined;
  };
}

async function allow(rules: readonly Rule[], asked: Asked): Promise<void> {
  for (const rule of rules) refuseUnless(await rule(asked), asked.channel);
}

function refuseUnless(answer: boolean | string, path: string): void {
  if (answer === true) return;
  const why = typeof answer === "string" && answer !== "" ? answer : "a rule refuses it";
  throw fail("permission_denied", { path, why });
}

/** Throws `credential_missing` or `permission_denied`. What is missing is named: it is in the schema that everybody has, and a client has to know what to ask for. */
function meets(who: Principal, require: Requirement, path: string): void {
  if (who.id === "") throw fail("credential_missing", { scheme: "a credential" });
  const any = require.match === "any";
  const has = (wanted: readonly string[] | undefined, have: readonly string[] | undefined): boolean =>
    wanted === undefined ||
    wanted.length === 0 ||
    (any ? wanted.some((each) => have?.includes(each)) : wanted.every((each) => have?.includes(each)));
  if (!has(require.scopes, who.scopes))
    throw fail("permission_denied", { path, why: `it needs scope ${list(require.scopes!, any)}` });
  if (!has(require.roles, who.roles))
    throw fail("permission_denied", { path, why: `it needs role ${list(require.roles!, any)}` });
  // One way in at a time: to demand several of them would be to demand what cannot be.
  const { methods = [] } = require;
  if (methods.length > 0 && !methods.includes(who.method ?? ""))
    throw fail("permission_denied", { path, why: `it needs a credential of ${list(methods, true)}` });
}

const list = (names: readonly string[], any: boolean): string => names.join(any ? " or " : " and ");

function callGuard(channel: ChannelInfo, decision: Decision, running: Map<string, Set<Running>>): Interceptor {
  const { path } = channel;
  const { methodKind } = channel.desc;
  return (next) =>
    async function rbac(request) {
      const context = request.contextValues;
      const base = { principal: context.get(principal), channel: path, address: undefined, context };
      if (!request.stream) {
        await decision({ ...base, request: request.message });
        return next(request);
      }
      let asked: Asked = { ...base, request: undefined };
      let through = request;
      if (methodKind === "server_streaming") {
        const { first, rest } = await firstMessage(request.message);
        asked = { ...base, request: first };
        through = { ...request, message: rest };
      }
      await decision(asked);
      const response = await next(through);
      const session = context.get(sessionId);
      if (session === "" || !response.stream) return response;
      return {
        ...response,
        message: guarded(response, session, { decision, asked, granted: asked.principal }, running),
      } as StreamResponse;
    };
}

/** The messages of a stream, until it is ended because its owner may no longer have it. */
async function* guarded(
  response: StreamResponse,
  session: string,
  what: Omit<Running, "end">,
  running: Map<string, Set<Running>>,
): AsyncGenerator {
  const end = Promise.withResolvers<never>();
  end.promise.catch(() => {}); // nobody may be reading
  const own: Running = { ...what, end: end.reject };
  const all = running.get(session) ?? new Set();
  running.set(session, all.add(own));
  const iterator = (response.message as AsyncIterable<unknown>)[Symbol.asyncIterator]();
  let over = false;
  try {
    for (;;) {
      const next = await Promise.race([iterator.next(), end.promise]);
      over = next.done === true;
      if (over) return;
      // A fresh credential came while its beginning was decided, and found it not among those that run.
      const who = what.asked.context.get(principal);
      if (who !== own.granted) {
        await what.decision({ ...what.asked, principal: who });
        own.granted = who;
      }
      yield next.value;
    }
  } finally {
    all.delete(own);
    if (all.size === 0) running.delete(session);
    if (!over) iterator.return?.().catch(() => {}); // a handler that waits for something ends when its signal says so
  }
}

/** "package.Service/Method" and "package.Service/*", those of them that are in the table. */
function namesOf(channel: ChannelInfo, table: Readonly<Record<string, unknown>> | undefined): string[] {
  const exact = channel.path.slice(1);
  const whole = `${channel.service.typeName}/*`;
  return [exact, whole].filter((name) => table !== undefined && Object.hasOwn(table, name));
}
function ruleOf<R>(channel: ChannelInfo, table: Readonly<Record<string, R>> | undefined): R | undefined {
  const [name] = namesOf(channel, table);
  return name === undefined ? undefined : table![name];
}

function checkOptions(options: RbacOptions): void {
  checkOptionNames("rbac", options, ["policies", "rules", "publish", "default"]);
  for (const option of ["policies", "rules", "publish"] as const) {
    for (const [name, rule] of Object.entries(options[option] ?? {})) {
      if (typeof rule !== "function")
        throw fail("option_invalid", {
          part: "rbac",
          option: `${option}["${name}"]`,
          value: String(rule),
          expected: "a function",
        });
    }
  }
  const values = ["deny", "authenticated", "public"];
  if (options.default !== undefined && !values.includes(options.default))
    throw fail("option_invalid", {
      part: "rbac",
      option: "default",
      value: JSON.stringify(options.default),
      expected: `one of ${values.join(", ")}`,
    });
}
