// One topic address on this node: follows its log, and hands every subscriber the same bytes, once per turn.
import type { Clock, Codec, FollowSink, Log, Observer, Pace, Page, SharedGroup, Stored } from "@raceway/core";
import {
  type FlushQueue,
  type Flushable,
  type SessionLink,
  encodePublication,
  joinParts,
} from "@raceway/core/internal";
import { Burst } from "./burst.ts";
import type { Channel } from "./channel.ts";
import type { TopicCoders, TopicCoding } from "./topic-coding.ts";

/** A subscriber, as the fan-out sees it. */
export interface TopicReader {
  /** Has everything up to `Topic.fanned`, and gets what comes. */
  readonly live: boolean;
  readonly codec: Codec;
  /** A group of publications up to `last`, the same for all. Takes it, or stops being live. */
  deliver(group: SharedGroup, last: number): void;
  /** The same, where nothing else is to leave in this turn. Where that is so for this reader, too: the link on which the group is to be sent now. */
  deliverAlone(group: SharedGroup, last: number): SessionLink | undefined;
  /** What was published cannot be told to it; the subscription ends. Called within the fan-out, so nothing is removed at once. */
  broken(error: unknown): void;
  /** The log moved otherwise (a new epoch, or it lost sight): read on from your own position. */
  reread(): void;
}

/** What a fan-out's group is in one codec, or why there is none: valid in protobuf, and not there. */
type Written = SharedGroup | { readonly parts?: undefined; readonly error: unknown };

/** Groups are cut, so that one never exceeds a batch, not even as lines of JSON, which may take six times as much. */
const GROUP_BYTES = 96 * 1024;
/** What framing adds to an event, about. */
export const FRAME_BYTES = 16;

export class Topic implements Flushable, FollowSink, Disposable {
  readonly address: string;
  readonly channel: Channel;
  /** Number that publications of this topic carry; the same for all sessions of this node. */
  readonly handle: number;
  epoch = "";
  /** Everything up to here was handed to those who are live. */
  fanned = 0;
  readonly #readers: TopicReader[] = [];
  readonly #log: Log;
  readonly #queue: FlushQueue;
  readonly #proto: Codec;
  readonly #coders: TopicCoders | undefined;
  /** Of this epoch. */
  #coding: Map<Codec, TopicCoding> | undefined;
  readonly #pace: Pace | undefined;
  readonly #fannedOut: Observer["fanOut"];
  readonly #following: Disposable;
  /** The start: the log's head was looked up. */
  readonly ready: Promise<void>;
  #isReady = false;
  #pending: Stored[] = [];
  #queued = false;
  #rotation = 0;
  #wakers: (() => void)[] = [];

  constructor(init: {
    address: string;
    channel: Channel;
    handle: number;
    log: Log;
    queue: FlushQueue;
    /** What payloads in the log are written with. For sessions of another codec each is written anew, once. */
    proto: Codec;
    coders: TopicCoders | undefined;
    clock: Clock;
    fannedOut: Observer["fanOut"];
  }) {
    this.address = init.address;
    this.channel = init.channel;
    this.handle = init.handle;
    this.#log = init.log;
    this.#queue = init.queue;
    this.#proto = init.proto;
    this.#coders = init.coders;
    this.#pace = init.channel.window?.pace(init.clock);
    this.#fannedOut = init.fannedOut;
    this.#following = init.log.follow(init.address, this);
    this.ready = this.#start();
    this.ready.catch(() => {}); // each subscriber awaits it and deals with it
  }

  async #start(): Promise<void> {
    const { epoch, offset } = await this.#log.head(this.address);
    this.#isReady = true;
    this.epoch = epoch;
    this.fanned = offset;
    this.#pending = this.#pending.filter((entry) => entry.offset > offset);
    if (this.#pending.length > 0) this.#enqueue();
  }

  get size(): number {
    return this.#readers.length;
  }
  /** The last that is known of, handed out or about to be. */
  get head(): number {
    return this.#pending.at(-1)?.offset ?? this.fanned;
  }
  get log(): Log {
    return this.#log;
  }

  add(reader: TopicReader): void {
    this.#readers.push(reader);
  }
  remove(reader: TopicReader): void {
    const at = this.#readers.indexOf(reader);
    if (at < 0) return;
    // Order among subscribers means nothing: the last takes the place.
    const last = this.#readers.pop()!;
    if (at < this.#readers.length) this.#readers[at] = last;
  }

  /** Resolves at the next append, for readers that read the log by themselves. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }
  /** Ends the wait of all who wait for `changed`. */
  wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const waker of wakers) waker();
  }

  appended(page: Page & { readonly kind: "entries" }): void {
    if (this.#wakers.length > 0) this.wake();
    if (this.#isReady && page.epoch !== this.epoch) {
      this.#pending = [];
      this.epoch = page.epoch;
      this.fanned = page.head;
      this.#coding = undefined;
      this.lost();
      return;
    }
    let bytes = 0;
    for (const entry of page.entries) {
      this.#pending.push(entry);
      bytes += entry.payload.length;
    }
    if (this.#isReady && (this.#pace === undefined || this.#pace.add(this.channel.window!, bytes, this.#enqueue)))
      this.#enqueue();
  }

  lost(): void {
    this.wake();
    for (const reader of [...this.#readers]) reader.reread();
  }

  readonly #enqueue = (): void => {
    if (this.#queued) return;
    this.#queued = true;
    this.#queue.atLoopEnd(this);
  };

  /** The fan-out: what came in this turn, framed once per codec, to all who are live. */
  flush(): void {
    this.#queued = false;
    this.#pace?.flushed();
    const entries = this.#pending;
    this.#pending = [];
    let from = 0;
    while (from < entries.length) {
      let to = from;
      let bytes = 0;
      while (to < entries.length && (to === from || bytes + entries[to]!.payload.length <= GROUP_BYTES))
        bytes += entries[to++]!.payload.length + FRAME_BYTES;
      this.#fanOut(entries, from, to);
      from = to;
    }
  }

  #fanOut(entries: readonly Stored[], from: number, to: number): void {
    const last = entries[to - 1]!.offset;
    const alone = this.#queue.alone && to - from === entries.length;
    if (last <= this.fanned) return;
    this.fanned = last;
    const readers = this.#readers;
    const count = readers.length;
    if (count === 0) return;
    const groups = new Map<Codec, Written>();
    let codec: Codec | undefined;
    let group: Written | undefined;
    const burst = alone ? new Burst() : undefined;
    // Nobody is always first: where the round begins moves on.
    const start = this.#rotation++ % count;
    for (let step = 0; step < count; step++) {
      const reader = readers[start + step < count ? start + step : start + step - count]!;
      if (!reader.live) continue;
      if (reader.codec !== codec) {
        ({ codec } = reader);
        group = groups.get(codec);
        if (group === undefined) groups.set(codec, (group = this.#written(entries, from, to, codec, count)));
      }
      if (group!.parts === undefined) reader.broken(group!.error);
      else if (burst === undefined) reader.deliver(group!, last);
      else {
        const link = reader.deliverAlone(group!, last);
        if (link !== undefined) burst.add(link, group!.parts);
      }
    }
    burst?.send();
    if (this.#coding !== undefined)
      for (const [each, said] of groups) if (said.parts !== undefined) this.#coding.get(each)?.said(said);
    if (this.#fannedOut !== undefined) this.#tell(this.#fannedOut, entries[from]!.offset, last, to - from, groups);
  }

  #written(entries: readonly Stored[], from: number, to: number, codec: Codec, audience: number): Written {
    try {
      return this.group(entries, from, to, codec, audience);
    } catch (error) {
      return { error };
    }
  }

  /** Who took the group is live still. Bytes are those of the publications, before they are coded. */
  #tell(
    fannedOut: NonNullable<Observer["fanOut"]>,
    first: number,
    last: number,
    events: number,
    groups: ReadonlyMap<Codec, Written>,
  ): void {
    let subscribers = 0;
    let bytes = 0;
    for (const { live, codec } of this.#readers) {
      if (!live) continue;
      subscribers++;
      bytes += groups.get(codec)?.parts?.[0]?.length ?? 0;
    }
    if (subscribers === 0) return;
    const { channel, address, epoch } = this;
    fannedOut({ channel, address, epoch, first, last, events, subscribers, bytes });
  }

  /** Entries framed as publications, for so many readers. */
  group(entries: readonly Stored[], from: number, to: number, codec: Codec, audience: number): SharedGroup {
    const plain = this.#encode(entries, from, to, codec);
    if (this.#coders === undefined) return { parts: [plain] };
    this.#coding ??= new Map();
    let coding = this.#coding.get(codec);
    if (coding === undefined) this.#coding.set(codec, (coding = this.#coders.topic()));
    return coding.group(plain, audience);
  }

  /** In one piece. */
  #encode(entries: readonly Stored[], from: number, to: number, codec: Codec): Uint8Array {
    const frames: Uint8Array[] = [];
    for (let at = from; at < to; at++) {
      const { offset, payload } = entries[at]!;
      const own = codec === this.#proto ? payload : this.#again(payload, codec);
      frames.push(encodePublication(this.handle, offset, own));
    }
    return joinParts(frames);
  }

  #again(payload: Uint8Array, codec: Codec): Uint8Array {
    const { channel } = this;
    return channel.coding(codec).encode(this.#proto.of(channel.desc.output).decode(payload));
  }

  [Symbol.dispose](): void {
    this.#pace?.flushed();
    this.#following[Symbol.dispose]();
    this.wake();
  }
}
