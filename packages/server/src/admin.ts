// `raceway.v1.Admin` on a server: publish, list, count, disconnect, unsubscribe, for whom a rule lets.
import { type DescMessage, fromJson, toJson } from "@bufbuild/protobuf";
import { ValueSchema, timestampFromMs } from "@bufbuild/protobuf/wkt";
import { checkOptionNames, fail, principal, printable } from "@raceway/core";
import {
  Admin,
  type CountRequest,
  type DisconnectRequest,
  type ListSessionsRequest,
  type ListTopicsRequest,
  type PublishRequest,
  type UnsubscribeRequest,
  adminContract,
} from "@raceway/core/admin";
import { AddressReader } from "./address-reader.ts";
import { page } from "./admin-page.ts";
import { type Removal, RemovalDesk, durationMs, whomOf } from "./admin-removal.ts";
import type { CallContext } from "./call-context.ts";
import type { Channel } from "./channel.ts";
import { type Guard, guarded } from "./guard.ts";
import { type Inside, insideOf } from "./inside.ts";
import type { Raceway } from "./raceway.ts";
import type { ServerSession } from "./sessions.ts";
import { Subscription } from "./subscription.ts";
import type { UsedTopic } from "./topics.ts";

export type { Guard } from "./guard.ts";

export interface AdminOptions {
  /**
   * Who may use it: `{ require: { roles: ["operator"] } }`, say, as in a schema, and kept by the plugin `rbac`, whose `rules` for "raceway.v1.Admin/Publish" and the others hold on top.
   * Whoever reaches the server is `{ public: true }`, which has to be said. Who is merely known may not: `require: {}` is refused.
   */
  readonly auth: Guard;
}

/**
 * Serves `raceway.v1.Admin`, by sessions and at the native doors. Call it before the first `listen`, `attach` or `fetch`. Throws `service_unguarded` if nothing is said of
 * who may use it, `option_unknown` or `option_invalid` for a rule with a slip in it; the start fails with `policy_unenforced` if no plugin sees to that.
 */
export function serveAdmin(app: Raceway, options: AdminOptions): void {
  checkOptionNames("serveAdmin", options, ["auth"]);
  const { auth } = options;
  const inside = insideOf("admin", app);
  const service = guarded<AdminService>(adminContract, auth);
  if ("require" in auth) {
    const { scopes = [], roles = [], methods = [], policy = "" } = auth.require;
    const demands = scopes.length + roles.length + methods.length + policy.length;
    if (demands === 0) throw fail("service_unguarded", { service: Admin.typeName });
  }
  const desk = new RemovalDesk(inside);
  app.serve(service, new AdminService(inside, desk));
  inside.join((host) => desk.start(host));
}

/** The handlers. */
class AdminService {
  readonly #inside: Inside;
  readonly #desk: RemovalDesk;
  /** What the wall said when the host's clock began: looked up once, so that a session's beginning is always the same. */
  readonly #beganAt: number;
  #addresses: AddressReader | undefined;

  constructor(inside: Inside, desk: RemovalDesk) {
    this.#inside = inside;
    this.#beganAt = Math.round(inside.clock.wallNow() - inside.clock.now());
    this.#desk = desk;
  }

  async publish({ address, channel: wanted, event }: PublishRequest, context: CallContext): Promise<object> {
    this.#addresses ??= new AddressReader(this.#inside.channels.values());
    const { channel, key } = this.#addresses.read(address, wanted);
    const message = this.#eventOf(channel, event);
    const { epoch, offset } = await this.#inside.publish(channel, key, message, context);
    this.#note(context, "published", { address, channel: channel.path, epoch, offset });
    return { epoch, offset: BigInt(offset) };
  }

  #eventOf(channel: Channel, event: PublishRequest["event"]): unknown {
    switch (event.case) {
      case "binary":
        return this.#inside.readEvent(channel, event.value);
      case "json":
        return readJson(channel.desc.output, () => toJson(ValueSchema, event.value));
      default:
        return readJson(channel.desc.output, () => ({}));
    }
  }

  listSessions(request: ListSessionsRequest, context: CallContext): object {
    const { sessions, limits } = this.#inside;
    const { principal: whose, address, pageSize, pageToken } = request;
    const found = page(concerned(sessions, whose, address), ({ id }) => id, {
      after: pageToken,
      size: pageSize,
      weigh: (session) => session.principal.length + 200,
      budget: limits.messageBytesOut / 4,
    });
    this.#looked(context, "listed sessions");
    return {
      sessions: found.items.map((session) => ({
        session: session.id,
        principal: session.principal,
        transport: session.core.current?.link.transport ?? "",
        since: timestampFromMs(this.#beganAt + session.since),
        network: session.address,
        calls: session.core.callsInFlight,
        subscriptions: session.core.subscriptions,
      })),
      nextPageToken: found.next,
    };
  }

  listTopics({ prefix, pageSize, pageToken }: ListTopicsRequest, context: CallContext): object {
    const { topics, limits } = this.#inside;
    const wanted = function* (): Generator<UsedTopic> {
      for (const used of topics.used()) if (used.topic.address.startsWith(prefix)) yield used;
    };
    const found = page(wanted(), ({ topic }) => topic.address, {
      after: pageToken,
      size: pageSize,
      weigh: ({ topic }) => topic.address.length + topic.channel.path.length + 100,
      budget: limits.messageBytesOut / 4,
    });
    this.#looked(context, "listed topics");
    return {
      topics: found.items.map(({ topic, subscribers }) => ({
        address: topic.address,
        channel: topic.channel.path.slice(1),
        subscribers,
        epoch: topic.epoch,
        offset: BigInt(topic.head),
      })),
      nextPageToken: found.next,
    };
  }

  count({ principal: whose, address }: CountRequest, context: CallContext): object {
    const { sessions, nativeCalls } = this.#inside;
    const addresses = new Set<string>();
    const counted = { sessions: 0, detached: 0, subscriptions: 0, nativeCalls: 0 };
    for (const session of concerned(sessions, whose, address)) {
      counted.sessions++;
      if (session.core.current === undefined) counted.detached++;
      for (const subscription of subscriptionsOf(session, address)) {
        counted.subscriptions++;
        addresses.add(subscription.address);
      }
    }
    for (const call of nativeCalls) {
      const { id } = call.context.get(principal);
      if ((whose ?? id) !== id || (address !== "" && call.address !== address)) continue;
      counted.nativeCalls++;
      if (call.address !== undefined) addresses.add(call.address);
    }
    this.#looked(context, "counted");
    return { ...counted, topics: addresses.size };
  }

  async disconnect({ whom, reason, stayAway }: DisconnectRequest, context: CallContext): Promise<object> {
    const { told, ended } = await this.#remove(
      { kind: "disconnect", whom: whomOf(whom), reason, stayAwayMs: durationMs(stayAway) },
      context,
    );
    return { sessions: ended.sessions, nativeCalls: ended.nativeCalls, toldOthers: told };
  }

  async unsubscribe({ whom, address, reason }: UnsubscribeRequest, context: CallContext): Promise<object> {
    const { addressBytes } = this.#inside.limits;
    if (address === "" || address.length > addressBytes)
      throw fail("admin_request_invalid", { detail: `address is empty, or has more than ${addressBytes} bytes` });
    const { told, ended } = await this.#remove({ kind: "unsubscribe", whom: whomOf(whom), address, reason }, context);
    return { subscriptions: ended.subscriptions + ended.nativeCalls, toldOthers: told };
  }

  async #remove(removal: Removal, context: CallContext): ReturnType<RemovalDesk["remove"]> {
    const done = await this.#desk.remove(removal, context);
    const { whom, reason, ...more } = removal;
    const { kind: act, ...what } = more;
    this.#note(context, act === "disconnect" ? "disconnected" : "unsubscribed", {
      [whom.kind]: whom.name,
      reason,
      ...what,
      ...done.ended,
    });
    return done;
  }

  // ---- what stays of it

  /** What changes something is always told. */
  #note(context: CallContext, act: string, fields: Readonly<Record<string, unknown>>): void {
    const written = Object.entries({ by: context.get(principal).id, act, ...fields }).map(
      ([name, value]) => [name, typeof value === "string" ? printable(value) : value] as const,
    );
    this.#inside.log.info("admin", Object.fromEntries(written));
  }
  #looked(context: CallContext, act: string): void {
    this.#inside.log.debug("admin", { by: printable(context.get(principal).id), act });
  }
}

/** Sessions of a principal that are subscribed to an address. `whose` undefined: anybody's; `address` "": whatever they are subscribed to. */
function* concerned(
  sessions: Iterable<ServerSession>,
  whose: string | undefined,
  address: string,
): Generator<ServerSession> {
  for (const session of sessions) {
    if (whose !== undefined && session.principal !== whose) continue;
    if (address === "" || subscriptionsOf(session, address).length > 0) yield session;
  }
}

/** `address` "": all. */
function subscriptionsOf(session: ServerSession, address: string): Subscription[] {
  const receivers = Array.from(session.core.calls, ({ receiver }) => receiver);
  const subscriptions = receivers.filter((each) => each instanceof Subscription);
  return address === "" ? subscriptions : subscriptions.filter((each) => each.address === address);
}

/** Throws `payload_malformed`. What the schema does not have is a mistake: whoever writes an event by hand wants to know. */
function readJson(desc: DescMessage, json: () => Parameters<typeof fromJson>[1]): unknown {
  try {
    return fromJson(desc, json());
  } catch (error) {
    throw fail("payload_malformed", { type: desc.typeName, detail: (error as Error).message });
  }
}
