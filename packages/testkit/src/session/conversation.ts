// One session over a subject's links: both ends in the kit's hands, with the plainest handshake that can resume and switch.
import type { ConnectError } from "@connectrpc/connect";
import { type LinkOpened, type Limits, jsonCodec, protoCodec, resolveLimits, systemClock } from "@raceway/core";
import {
  type Call,
  encodeFrame,
  FlushQueue,
  type Frame,
  type Handshake,
  partsToJson,
  readBatch,
  Session,
  SessionLink,
  type SessionOwner,
} from "@raceway/core/internal";
import { nextTurn, RuleBroken } from "../case.ts";
import type { LinkSubject } from "../subject.ts";

export type CodecName = "proto" | "json";

/** Serves the calls of the client; told once per call. */
export type Serve = (call: Call, method: string, payload: Uint8Array | undefined) => void;

const CODECS = { proto: protoCodec(), json: jsonCodec() };
const id = Uint8Array.from({ length: 16 }, (_, at) => at);
const nothing = new Uint8Array(0);

export class Conversation implements AsyncDisposable {
  readonly client: Session;
  readonly server: Session;
  /** Links that were opened so far. */
  linksOpened = 0;
  /** Times that a side was left without a link. */
  linksLost = 0;
  readonly #subject: LinkSubject;
  readonly #text: boolean;
  readonly limits: Limits;
  readonly #connections: AsyncDisposable[] = [];
  #closing = false;
  /** The handshake that is under way. */
  #welcoming: PromiseWithResolvers<void> | undefined;
  #reconnecting: Promise<void> | undefined;
  /** Why it cannot go on. */
  failed: Error | undefined;

  constructor(subject: LinkSubject, codec: CodecName, text: boolean, serve: Serve) {
    this.#subject = subject;
    this.#text = text;
    // Generous, so that what a case sees is the link's doing. A death loses at most what the replay buffers hold.
    this.limits = resolveLimits({
      replayBytes: 4 * 1024 * 1024,
      framesPerSecond: 1_000_000,
      framesBurst: 1_000_000,
      silenceMs: 3_600_000,
      heartbeatMs: 3_600_000,
    });
    const clock = systemClock();
    const owner = (side: "client" | "server"): SessionOwner => ({
      opened: (call, frame) => serve(call, frame.method, frame.payload),
      linkLost: () => this.#linkLost(side),
      waits() {},
      auth() {},
      goaway: (_link, frame) =>
        this.#fail(new RuleBroken(`the ${side} was sent away: ${frame.status?.message ?? "without a word"}`)),
      pong() {},
      ended: (error) => this.#fail(error),
    });
    const session = (side: "client" | "server"): Session => {
      const queue = new FlushQueue(clock);
      return new Session({ side, limits: this.limits, clock, queue, owner: owner(side), codec: CODECS[codec] });
    };
    this.client = session("client");
    this.server = session("server");
  }

  /** Opens a link and makes it the one that is sent on; a link that was there before goes on until it is released. Rejects when the link dies in its handshake. */
  async connect(): Promise<void> {
    const welcomed = Promise.withResolvers<void>();
    const clientOpened: LinkOpened = (link) => {
      const mine = new SessionLink(link, this.#awaitWelcome(welcomed), this.#text);
      this.#say(mine, {
        kind: "hello",
        version: 1,
        codecs: [],
        session: id,
        secret: nothing,
        received: this.client.received,
        credential: "",
        window: undefined,
        agent: "kit",
        header: [],
        attempt: ++this.linksOpened,
      });
      return mine;
    };
    const serverOpened: LinkOpened = (link) => new SessionLink(link, this.#awaitHello(), this.#text);
    welcomed.promise.catch(() => undefined); // if opening itself fails, that is what counts
    this.#welcoming = welcomed;
    this.#connections.push(await this.#subject.connect(clientOpened, serverOpened));
    await welcomed.promise;
  }

  /** Waits for a condition that messages bring about. */
  async until(check: () => boolean, what: string): Promise<void> {
    const patienceMs = 3 * (this.#subject.patienceMs ?? 10_000); // several links may have to be opened on the way
    const end = performance.now() + patienceMs;
    while (!check()) {
      if (this.failed !== undefined) throw this.failed;
      if (performance.now() > end)
        throw new RuleBroken(
          `waited ${patienceMs} ms in vain for ${what}; ${this.linksOpened} links were opened, ${this.linksLost} lost`,
        );
      await nextTurn(1);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    await this.#reconnecting;
    for (const session of [this.client, this.server]) for (const link of [...session.links]) session.release(link);
    for (const connection of this.#connections) await connection[Symbol.asyncDispose]();
  }

  #linkLost(side: "client" | "server"): void {
    this.linksLost++;
    if (side !== "client" || this.#closing) return;
    this.#reconnecting ??= this.#reconnect().finally(() => (this.#reconnecting = undefined));
  }

  async #reconnect(): Promise<void> {
    const end = performance.now() + (this.#subject.patienceMs ?? 10_000);
    while (this.client.current === undefined && !this.#closing) {
      try {
        await this.connect();
      } catch (error) {
        if (performance.now() > end) return this.#fail(error instanceof Error ? error : new Error(String(error)));
        await nextTurn(5);
      }
    }
  }

  #fail(error: Error): void {
    if (this.#closing) return;
    this.failed ??= error;
    this.#welcoming?.reject(error);
  }

  #say(link: SessionLink, frame: Frame): void {
    const parts = [encodeFrame(frame)];
    link.link.send(link.text ? partsToJson(parts, false) : parts);
  }

  #awaitHello(): Handshake {
    return {
      batch: (link, bytes) => {
        readBatch(bytes, this.limits, (frame) => {
          if (frame.kind !== "hello")
            return this.#fail(new RuleBroken(`the first frame at the server was ${frame.kind}, not hello`));
          if (!this.server.resumableFrom(frame.received))
            return this.#fail(new RuleBroken(`the session cannot be resumed from frame ${frame.received}`));
          const { received } = this.server;
          this.#say(link, { ...emptyWelcome, session: id, received, resumed: true });
          this.server.attach(link, frame.received);
        });
      },
      closed() {},
    };
  }

  #awaitWelcome(welcomed: PromiseWithResolvers<void>): Handshake {
    return {
      batch: (link, bytes) => {
        readBatch(bytes, this.limits, (frame) => {
          if (frame.kind !== "welcome")
            return this.#fail(new RuleBroken(`the first frame at the client was ${frame.kind}, not welcome`));
          this.client.attach(link, frame.received);
          welcomed.resolve();
        });
      },
      closed: (_link: SessionLink, error: ConnectError | undefined) =>
        welcomed.reject(error ?? new RuleBroken("the link was over before Welcome")),
    };
  }
}

const emptyWelcome = {
  kind: "welcome",
  version: 1,
  codec: "",
  secret: nothing,
  window: undefined,
  heartbeatMs: 0,
  silenceMs: 0,
  resumeMs: 0,
  maxMessageBytes: 0,
  transports: [],
  maxBatchBytes: 0,
  maxAgeMs: 0,
  node: "",
  credentialMs: 0,
} as const;
