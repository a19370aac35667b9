// One end of a link, client or server: what both do alike with a queue out, a stream in, and the ways in which they end.
import { ConnectError } from "@connectrpc/connect";
import {
  type Clock,
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type Logger,
  type Peer,
  type Timer,
} from "@raceway/core";
import { BatchQueue } from "./batch-queue.ts";
import { CLOSE_MS, joinParts, lostError, toldError, TRANSPORT } from "./protocol.ts";

export interface LinkEndSetup {
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly clock: Clock;
  /** Largest batch to take. */
  readonly takesBytes: number;
  readonly log: Logger;
  /** Ends the connection under the link at once, if it is still there. */
  readonly cut: () => void;
}

export class LinkEnd implements Link {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  /** What this end sends. It ends in good order, or with the error that the other end is to be told. */
  readonly queue: BatchQueue = new BatchQueue(() => {
    if (!this.#over) this.#receiver.drain();
  });
  readonly #setup: LinkEndSetup;
  #receiver!: LinkReceiver; // from `open` on
  /** From the first word of the end on: no batch goes in or out any more. */
  #over = false;
  /** `closed` was called, or is owed at the end of the turn. */
  #told = false;
  /** While paused: resolved by `resume`, and by the end. */
  #gate: PromiseWithResolvers<void> | undefined;
  #timer: Timer | undefined;
  #gone = false;

  constructor(setup: LinkEndSetup) {
    this.traits = setup.traits;
    this.peer = setup.peer;
    this.#setup = setup;
  }

  open(opened: LinkOpened): void {
    try {
      this.#receiver = opened(this);
    } catch (error) {
      this.#receiver = { batch() {}, drain() {}, closed() {} };
      this.#setup.log.error("a grpc link was not taken", { error });
      this.close(ConnectError.from(error));
    }
  }

  get buffered(): number {
    return this.queue.buffered;
  }
  get over(): boolean {
    return this.#over;
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    if (bytes === 0) return !this.queue.full; // says nothing, and would look like the "opened" of a server
    return this.queue.push(joinParts(parts, bytes));
  }

  pause(): void {
    if (!this.#over) this.#gate ??= Promise.withResolvers<void>();
  }

  resume(): void {
    this.#gate?.resolve();
    this.#gate = undefined;
  }

  close(error?: ConnectError): void {
    if (this.#over) return;
    this.#finish();
    if (error === undefined) {
      this.queue.end();
      this.#timer = this.#setup.clock.after(CLOSE_MS, () => this.gone());
    } else {
      this.#told = true;
      this.#setup.clock.turnEnd(() => this.#receiver.closed(error));
      this.queue.drop(toldError(error));
      this.#timer = this.#setup.clock.after(CLOSE_MS, this.#setup.cut); // unless the other end takes the error before
    }
  }

  /** Settles when this end reads again; undefined while it does. Who takes from the stream waits for it before each `take`. */
  get paused(): Promise<void> | undefined {
    return this.#gate?.promise;
  }

  /** Hands over what the other end sent. */
  take(batch: Uint8Array): void {
    if (this.#over || batch.length === 0) return;
    const limit = this.#setup.takesBytes;
    if (batch.length > limit) {
      this.close(fail("batch_too_large", { bytes: batch.length, limit }));
      return;
    }
    try {
      this.#receiver.batch(batch);
    } catch (error) {
      // A mistake of ours, not the other end's. It ends this link and no other.
      this.#setup.log.error("a batch was not taken", { error });
      this.close(ConnectError.from(error));
    }
  }

  /** The other end has closed the link in good order: it listens no more. */
  ended(): void {
    if (this.#gone) return;
    this.#finish();
    this.queue.drop();
    this.#tell(undefined);
    this.#timer ??= this.#setup.clock.after(CLOSE_MS, this.#setup.cut);
  }

  /** The stream has failed. In good order only if this end wanted it to end. */
  lost(cause: unknown): void {
    const asked = this.#over;
    this.#finish();
    this.queue.drop();
    this.#tell(asked ? undefined : lostError(cause));
  }

  /** There is no stream any more, and nothing to wait for. */
  gone(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.lost(undefined);
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
    this.#setup.cut();
  }

  #finish(): void {
    this.#over = true;
    this.resume();
  }

  #tell(error: ConnectError | undefined): void {
    if (this.#told) return;
    this.#told = true;
    this.#receiver.closed(error);
  }
}
