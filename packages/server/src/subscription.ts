// A session's subscription: a cursor in a topic's log. While it is caught up it gets the shared bytes; when its link is full it stays where it is.
import { ConnectError } from "@connectrpc/connect";
import {
  type Codec,
  type Position,
  type SharedGroup,
  type Stored,
  type TopicGate,
  type TopicSubscription,
  fail,
} from "@raceway/core";
import {
  type Call,
  type CallReceiver,
  type HeaderField,
  type PublishingSession,
  type SessionLink,
  TOPIC_LIVE,
  TOPIC_RESET,
  TOPIC_STANDS,
  type TopicFrame,
  headersOf,
} from "@raceway/core/internal";
import { endCall } from "./end-call.ts";
import { type Stranger, withVersion } from "./schema-fit.ts";
import type { ServingHost } from "./serving.ts";
import { shownError } from "./shown-error.ts";
import { FRAME_BYTES, type Topic, type TopicReader } from "./topic.ts";

/** One read from the log while catching up. */
const PAGE = { maxEntries: 256, maxBytes: 96 * 1024 };

export class Subscription implements CallReceiver, TopicReader {
  readonly codec: Codec;
  live = false;
  // With these two, what a fan-out needs.
  readonly #session: PublishingSession;
  #cursor = 0;
  readonly #call: Call;
  readonly #topic: Topic;
  readonly #host: ServingHost;
  readonly #stranger: Stranger | undefined;
  readonly #released: (topic: Topic) => void;
  readonly #admit: ((kind: TopicSubscription["kind"]) => Promise<void> | void) | undefined;
  /** Answers of the gate that are awaited before anything more is sent. */
  #asking = 0;
  /** Where the subscription began: what a client that knows nothing yet goes back to. */
  #start: Position | undefined;
  #epoch = "";
  /** Waits for the client's word on what it has. */
  #paused = false;
  #reading = false;
  /** There was reason to ask the gate again while its first answer was awaited. */
  #askAgain = false;
  /** Counts changes of position: a read that began before is stale. */
  #turn = 0;
  #over = false;
  #ended: AbortController | undefined;
  /** What it ended with. */
  #why: ConnectError | undefined;

  constructor(init: {
    call: Call;
    session: PublishingSession;
    topic: Topic;
    host: ServingHost;
    codec: Codec;
    gate: TopicGate | undefined;
    request: unknown;
    header: readonly HeaderField[];
    stranger: Stranger | undefined;
    released: (topic: Topic) => void;
  }) {
    this.#call = init.call;
    this.#session = init.session;
    this.#topic = init.topic;
    this.#host = init.host;
    this.codec = init.codec;
    this.#stranger = init.stranger;
    this.#released = init.released;
    const subscribe = init.gate?.subscribe;
    if (subscribe === undefined) return;
    const { address } = init.topic;
    const { request, header } = init;
    const { context } = init.host;
    const own = this; // oxlint-disable-line typescript/no-this-alias -- the signal is made when a gate asks for it
    this.#admit = (kind) =>
      subscribe({
        kind,
        address,
        request,
        context,
        get header() {
          return headersOf(header);
        },
        get ended() {
          return own.#endedSignal;
        },
      });
  }

  get #endedSignal(): AbortSignal {
    this.#ended ??= new AbortController();
    if (this.#over) this.#ended.abort(this.#why);
    return this.#ended.signal;
  }

  /** Begins after `after`; undefined is "from now on", epoch "" is "from the oldest kept". */
  async begin(after: Position | undefined): Promise<void> {
    try {
      if (this.#admit !== undefined) await this.#asked("subscribe");
      await this.#topic.ready;
      while (this.#askAgain && !this.#over) {
        this.#askAgain = false;
        await this.#asked("refresh");
      }
      if (this.#over) return;
      this.#topic.add(this);
      if (after === undefined) this.#place({ epoch: this.#topic.epoch, offset: this.#topic.fanned }, TOPIC_LIVE);
      else if (after.epoch === "") await this.#fromOldest();
      else this.#place(after, TOPIC_LIVE);
      this.#start = { epoch: this.#epoch, offset: this.#cursor };
      this.#advance();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #fromOldest(): Promise<void> {
    const page = await this.#topic.log.read(this.#topic.address, "start", { maxEntries: 1, maxBytes: 1 });
    const first = page.kind === "reset" ? page.first : (page.entries[0]?.offset ?? page.head + 1);
    if (!this.#over) this.#place({ epoch: page.epoch, offset: first - 1 }, TOPIC_LIVE);
  }

  #place(position: Position, state: number): void {
    this.#turn++;
    this.#epoch = position.epoch;
    this.#cursor = position.offset;
    this.live = false;
    const { channel, handle } = this.#topic;
    const header = withVersion(undefined, channel, this.#stranger);
    this.#session.control({ kind: "topic", call: this.#call.id, handle, position, state, header });
  }

  get address(): string {
    return this.#topic.address;
  }
  /** By the server: its owner is to have it no longer. */
  close(why: ConnectError): void {
    this.#fail(why);
  }

  // ---- the fan-out

  deliverAlone(group: SharedGroup, last: number): SessionLink | undefined {
    const link = this.#session.idle;
    if (link === undefined || group.parts[0]!.length > this.#session.groupBytes) {
      this.deliver(group, last);
      return undefined;
    }
    this.#cursor = last;
    return link;
  }

  deliver(group: SharedGroup, last: number): void {
    if (group.parts[0]!.length > this.#session.groupBytes) {
      // Too much for this link in one piece: it is read from the log, in pieces that fit. Not at once, for the fan-out is under way.
      this.live = false;
      void Promise.resolve().then(() => this.#advance());
      return;
    }
    if (this.#session.publish(group)) this.#cursor = last;
    else {
      this.live = false;
      this.#await();
    }
  }

  broken(error: unknown): void {
    this.live = false;
    // Not at once: the fan-out is under way, and this would change whom it reaches.
    void Promise.resolve().then(() => this.#fail(error));
  }

  /** False: an event is too large for the link; the subscription ends, not the link again and again. */
  #fits(group: SharedGroup): boolean {
    const bytes = group.parts[0]!.length;
    if (this.#session.carries(bytes)) return true;
    this.broken(fail("message_too_large", { bytes, limit: this.#host.limits.batchBytes }));
    return false;
  }

  reread(): void {
    this.live = false;
    this.#advance();
  }

  /** Has `writable` called when the link has room. */
  #await(): void {
    this.#session.block(this.#call);
  }

  #advance(): void {
    if (this.#paused || this.#asking > 0 || this.live || this.#over) return;
    if (this.#reading) {
      this.#again = true; // room may have come between its last look and its end
      return;
    }
    this.#reading = true;
    this.#catchUp()
      .catch((error: unknown) => this.#fail(error))
      .finally(() => {
        this.#reading = false;
        if (this.#again) {
          this.#again = false;
          this.#advance();
        }
      });
  }
  #again = false;

  async #catchUp(): Promise<void> {
    const topic = this.#topic;
    let handed = 0;
    while (!this.#over && !this.#paused && this.#asking === 0 && !this.live) {
      if (this.#epoch === topic.epoch && this.#cursor >= topic.fanned) {
        this.live = true;
        return;
      }
      if (!this.#session.roomy || this.#session.current === undefined) return this.#await();
      const turn = this.#turn;
      const page = await topic.log.read(topic.address, { epoch: this.#epoch, offset: this.#cursor }, PAGE);
      if (turn !== this.#turn) {
        this.#again = true;
        return;
      }
      if (page.kind === "reset") {
        this.#place({ epoch: page.epoch, offset: page.first - 1 }, TOPIC_RESET);
        continue;
      }
      if (page.entries.length === 0) {
        // The log's head is where the fan-out stands, or will be in a moment: what comes has higher offsets.
        this.live = true;
        return;
      }
      const { groupBytes } = this.#session;
      let count = fitting(page.entries, groupBytes);
      let group = topic.group(page.entries, 0, count, this.codec, 1);
      // In the log they are protobuf; in this codec they may be many times as large.
      while (count > 1 && group.parts[0]!.length > groupBytes)
        group = topic.group(page.entries, 0, (count = count >> 1), this.codec, 1);
      if (!this.#fits(group)) return;
      if (!this.#session.publish(group)) return this.#await();
      this.#cursor = page.entries[count - 1]!.offset;
      handed += group.parts[0]!.length;
      if (handed < this.#host.limits.writeBuffer) continue;
      // What was handed over is written at the end of the loop turn, and only then is it known whether the link wants more.
      handed = 0;
      await new Promise<void>((resolve) => this.#session.clock.loopEnd(resolve));
    }
  }

  // ---- what the session tells

  /** The client says where it stands. */
  topic(frame: TopicFrame): void {
    const position = frame.position ?? this.#start;
    if (this.#over || position === undefined) return;
    this.#paused = false;
    this.#place({ epoch: position.epoch, offset: position.offset }, TOPIC_LIVE);
    if (this.#reading) this.#again = true;
    else this.#advance();
  }

  /** Another link: what was on the way may be lost, so wait for the client's word. Whoever comes back is asked again whether he may. */
  relinked(own: boolean): void {
    if (this.#start === undefined) {
      this.#askAgain ||= !own;
      return; // `begin` is still at work, and will place itself on this link
    }
    if (own) {
      // The client may not know: tell it where this side stands, and it asks if it lacks something. That is no beginning: a client that has heard of
      // none yet asks for it.
      this.#place({ epoch: this.#epoch, offset: this.#cursor }, TOPIC_STANDS);
      if (this.#reading) this.#again = true;
      else this.#advance();
      return;
    }
    this.live = false;
    this.#paused = true;
    this.#turn++;
    this.ask("resume");
  }

  /** Asks again whether this may be. Over another link nothing is sent before the answer; with a fresh credential what flows goes on until it is refused. */
  ask(kind: "resume" | "refresh"): void {
    if (this.#admit === undefined) return;
    if (this.#start === undefined) {
      this.#askAgain = true;
      return;
    }
    if (kind === "resume") this.#asking++;
    Promise.resolve(kind)
      .then((asked) => this.#asked(asked))
      .then(() => {
        if (kind === "refresh" || --this.#asking > 0) return;
        if (this.#reading) this.#again = true;
        else this.#advance();
      })
      .catch((error: unknown) => this.#fail(error));
  }

  async #asked(kind: TopicSubscription["kind"]): Promise<void> {
    try {
      await this.#admit!(kind);
    } catch (error) {
      if (!this.#over) this.#host.refused(ConnectError.from(error), this.#topic.channel.path, "subscription");
      throw error;
    }
  }

  writable(): void {
    this.#advance();
  }
  data(): void {}
  end(): void {}
  cancelled(): void {
    this.#stop();
  }
  lost(error: ConnectError): void {
    this.#stop(error);
  }

  #fail(cause: unknown): void {
    if (this.#over) return;
    const error = shownError(cause, this.#host.log, this.#topic.channel.path);
    endCall(this.#call, error, this.#host.log, this.#topic.channel.path);
    this.#stop(error);
  }

  #stop(why?: ConnectError): void {
    if (this.#over) return;
    this.#over = true;
    this.#why = why;
    this.live = false;
    this.#ended?.abort(why);
    this.#topic.remove(this);
    this.#released(this.#topic);
  }
}

/** How many of the entries go in one piece of so many bytes; one at least. */
function fitting(entries: readonly Stored[], most: number): number {
  let count = 1;
  let bytes = entries[0]!.payload.length + FRAME_BYTES;
  while (count < entries.length && (bytes += entries[count]!.payload.length + FRAME_BYTES) <= most) count++;
  return count;
}

/** Why a subscription is refused before it begins. */
export function checkSubscriptions(count: number, limit: number): void {
  if (count >= limit) throw fail("too_many_subscriptions", { count, limit });
}
