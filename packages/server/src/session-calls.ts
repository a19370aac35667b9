// What clients ask of their sessions: a call goes to its handler or its topic, or is refused; with a fresh credential all is asked anew.
import { ConnectError } from "@connectrpc/connect";
import { type Limits, type Logger, type Observer, type RefusalEvent, fail } from "@raceway/core";
import { type AuthFrame, type Call, type OpenFrame, checkHeader, statusOf } from "@raceway/core/internal";
import { sessionContext } from "./accept.ts";
import { type Admit, Entrance } from "./admission.ts";
import type { Channel } from "./channel.ts";
import { type Stranger, explained, mismatch, unknownChannel, withoutClaim } from "./schema-fit.ts";
import { Serving } from "./serving.ts";
import type { ServerSession } from "./sessions.ts";
import { shownError } from "./shown-error.ts";
import { Subscription, checkSubscriptions } from "./subscription.ts";
import type { TopicUse } from "./topics.ts";

export interface SessionCallsHost {
  /** By path. */
  readonly channels: ReadonlyMap<string, Channel>;
  readonly limits: Limits;
  readonly log: Logger;
  readonly observer: Observer | undefined;
  /** Runs the session stations of all plugins; undefined if there are none. */
  readonly admit: Admit | undefined;
  /** Any channel of the service that the path names. */
  near(path: string): Channel | undefined;
  topicOf(channel: Channel, request: unknown): TopicUse;
}

export class SessionCalls {
  readonly #host: SessionCallsHost;

  constructor(host: SessionCallsHost) {
    this.#host = host;
  }

  /** An Open frame. Sets `call.receiver`, or ends the call. */
  opened(session: ServerSession, call: Call, given: OpenFrame): void {
    const { channels, near, limits } = this.#host;
    const channel = channels.get(given.method);
    const frame = withoutClaim(session, given, channel);
    const { method: path } = frame;
    if (channel === undefined) {
      const client = session.claims?.versionElsewhere(path);
      return this.#refuse(session, call, unknownChannel(path, near(path), { client }), "");
    }
    const stranger = session.claims?.strangerOf(path);
    if (stranger?.misfit !== undefined)
      return this.#refuse(session, call, mismatch(channel, stranger.version, stranger.misfit), path);
    const { core } = session;
    if (channel.gated) return this.#subscribe(session, call, channel, frame, stranger);
    const { calls: limit } = limits;
    if (core.callsInFlight > limit) {
      const error = fail("too_many_calls", { count: core.callsInFlight - 1, limit, retryAfterMs: 100 });
      return this.#refuse(session, call, error, channel.path);
    }
    call.window = channel.window;
    Serving.begin(call, channel, channel.coding(session.codec), frame, session, stranger);
  }

  #subscribe(
    session: ServerSession,
    call: Call,
    channel: Channel,
    frame: OpenFrame,
    stranger: Stranger | undefined,
  ): void {
    try {
      const { limits, topicOf } = this.#host;
      checkSubscriptions(session.core.subscriptions, limits.subscriptions);
      checkHeader(frame.header, limits);
      if (frame.payload === undefined)
        throw fail("frame_unexpected", { frame: "open", state: "of a topic without its request" });
      const { codec } = session;
      const request = channel.coding(codec).decode(frame.payload);
      const { topic, release } = topicOf(channel, request);
      const subscription = new Subscription({
        call,
        session: session.core,
        topic,
        host: session,
        codec,
        gate: channel.gate,
        request,
        header: frame.header,
        stranger,
        released: release,
      });
      call.receiver = subscription;
      session.core.subscribed(call);
      void subscription.begin(frame.after);
    } catch (error) {
      const refused = explained(ConnectError.from(error), channel, stranger);
      this.#refuse(session, call, refused, channel.path, "subscription");
    }
  }

  #refuse(
    session: ServerSession,
    call: Call,
    error: ConnectError,
    channel: string,
    what: RefusalEvent["what"] = "call",
  ): void {
    const transport = session.core.current?.link.transport ?? "";
    this.#host.observer?.refused?.({ what, transport, channel, error });
    call.finish(statusOf(error));
  }

  /** A fresh credential: all is asked anew. What is refused ends the session; a subscription that its owner may have no longer ends alone. */
  async refreshed(session: ServerSession, frame: AuthFrame): Promise<void> {
    const { core } = session;
    const link = core.current;
    const { admit, log } = this.#host;
    if (admit === undefined || link === undefined) return;
    const context = sessionContext(link, session.id);
    const { peer, transport } = link.link;
    const credential = frame.credential === "" ? undefined : frame.credential;
    const entrance = new Entrance(
      { kind: "refresh", peer, transport, credential, headers: new Headers(), context },
      session,
    );
    try {
      await admit(entrance);
      if (core.over !== undefined) return;
      if (!session.owns(context)) throw fail("principal_changed");
      session.admitted(context, entrance);
      session.tellExpiry();
      for (const call of [...core.calls]) if (call.receiver instanceof Subscription) call.receiver.ask("refresh");
    } catch (error) {
      core.end(shownError(error, log, "refresh"), true);
    }
  }
}
