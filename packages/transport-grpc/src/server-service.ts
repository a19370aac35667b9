// The link service of a server: Pipe, Down and Up, as link.proto says.
import {
  Code,
  ConnectError,
  type ContextKey,
  createContextKey,
  type HandlerContext,
  type ServiceImpl,
} from "@connectrpc/connect";
import { fail, type LinkTraits, peer, reasonOf, type TransportHost } from "@raceway/core";
import type { Chunk, LinkService, UpRequest, UpResponse } from "./gen/raceway/v1/link_pb.ts";
import { LinkEnd } from "./link-end.ts";
import { LINK_HEADER, TRANSPORT } from "./protocol.ts";

/** The exchange under a call, as far as a link must know it. Connect's own signal is aborted when the last message was made, not when it was sent. */
export interface CallStream {
  /** Aborted when nothing more can be sent. */
  readonly gone: AbortSignal;
  /** Ends it at once, whatever state it is in. */
  cut(): void;
}
/** Set by the door for each exchange. */
export const callStream: ContextKey<CallStream | undefined> = createContextKey(undefined, {
  description: "exchange under the call",
});

type ChunkInit = { readonly batch: Uint8Array };
const OPENED: ChunkInit = { batch: new Uint8Array(0) };
/** Bytes of a link's id: whoever knows it may send in its name. */
const ID_BYTES = 32;

/** A link whose client sends by calls of Up. */
interface SplitLink {
  readonly end: LinkEnd;
  /** Calls taken so far. */
  number: number;
  /** While a call is being taken; the client sends the next one when it was answered. */
  taking: Promise<void> | undefined;
}

export class LinkServer implements ServiceImpl<typeof LinkService> {
  readonly #host: TransportHost;
  readonly #traits: LinkTraits;
  readonly #links = new Set<LinkEnd>();
  readonly #split = new Map<string, SplitLink>();
  /** The server goes down; called when the last link is gone. */
  #leaving: (() => void) | undefined;

  constructor(host: TransportHost, traits: LinkTraits) {
    this.#host = host;
    this.#traits = traits;
  }

  async *pipe(requests: AsyncIterable<Chunk>, context: HandlerContext): AsyncGenerator<ChunkInit, void> {
    const link = this.#open(context);
    void this.#receive(link, requests);
    yield OPENED;
    yield* link.queue.chunks();
  }

  async *down(_request: unknown, context: HandlerContext): AsyncGenerator<ChunkInit, void> {
    const id = Buffer.from(this.#host.random.bytes(ID_BYTES)).toString("base64url");
    const end = this.#open(context);
    this.#split.set(id, { end, number: 0, taking: undefined });
    context.values.get(callStream)!.gone.addEventListener("abort", () => this.#split.delete(id));
    context.responseHeader.set(LINK_HEADER, id);
    yield OPENED;
    yield* end.queue.chunks();
  }

  async up({ number, batch, end }: UpRequest, context: HandlerContext): Promise<Partial<UpResponse>> {
    const link = this.#split.get(context.requestHeader.get(LINK_HEADER) ?? "");
    if (link === undefined)
      throw new ConnectError("There is no such link, or it is over. Open another.", Code.NotFound);
    if (number === link.number && number > 0) {
      await link.taking; // sent again, since its answer was lost
      return {};
    }
    if (number !== link.number + 1 || link.taking !== undefined) {
      const error = fail("count_invalid", {
        count: number,
        have: `the next upload is number ${link.number + 1}, after the one before was answered`,
      });
      link.end.close(error);
      throw error;
    }
    link.number = number;
    link.taking = takeAll(link.end, batch);
    await link.taking;
    link.taking = undefined;
    if (end) link.end.ended();
    return {};
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#leaving = resolve;
    for (const link of this.#links) link.close();
    if (this.#links.size > 0) await promise;
  }

  /** Makes the link of a call, and hands it over. It ends with the call, and the call with it. */
  #open(context: HandlerContext): LinkEnd {
    if (this.#host.draining.aborted || this.#leaving !== undefined) throw fail("draining", {});
    const { clock, log, maxBatchBytes } = this.#host;
    const stream = context.values.get(callStream)!;
    // Gone between the request and now: nobody would tell us once more.
    if (stream.gone.aborted) throw fail("link_closed", { transport: TRANSPORT, detail: "the connection was lost" });
    const link = new LinkEnd({
      traits: this.#traits,
      peer: context.values.get(peer),
      clock,
      log,
      takesBytes: maxBatchBytes,
      cut: () => stream.cut(),
    });
    this.#links.add(link);
    stream.gone.addEventListener("abort", () => {
      link.gone();
      this.#links.delete(link);
      if (this.#links.size === 0) this.#leaving?.();
    });
    link.open(this.#host.opened);
    return link;
  }

  async #receive(link: LinkEnd, requests: AsyncIterable<Chunk>): Promise<void> {
    try {
      for await (const { batch, end } of requests) {
        while (link.paused !== undefined) await link.paused;
        if (end) link.ended();
        else link.take(batch); // discards when the link is over: to stop reading would reset the stream, and what is still on its way with it
      }
      link.lost(undefined); // unless it was over before
    } catch (error) {
      const tooLarge = this.#tooLarge(error);
      if (tooLarge === undefined) link.lost(error);
      else link.close(tooLarge);
    }
  }

  /** Connect refuses a message above its limit by the length before it. */
  #tooLarge(error: unknown): ConnectError | undefined {
    const match =
      error instanceof ConnectError && error.code === Code.ResourceExhausted && reasonOf(error) === undefined
        ? /^message size (\d+)/.exec(error.rawMessage)
        : null;
    return match === null
      ? undefined
      : fail("batch_too_large", { bytes: Number(match[1]), limit: this.#host.maxBatchBytes });
  }
}

/** Resolves when this end is ready for more. */
async function takeAll(end: LinkEnd, batches: readonly Uint8Array[]): Promise<void> {
  for (const batch of batches) {
    while (end.paused !== undefined) await end.paused;
    end.take(batch);
  }
  while (end.paused !== undefined) await end.paused;
}
