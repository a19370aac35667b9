// Signals: client to server, the newest per key; what is overtaken before it could leave is never sent.
import type { DescMessage, DescMethodClientStreaming, MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, type Transport } from "@connectrpc/connect";
import { type ChannelContract, type Clock, systemClock } from "@raceway/core";
import { type CallOptions, open } from "./calls.ts";

export interface SignalSender<M> extends AsyncDisposable {
  /** Never waits: a message that could not leave yet is replaced by the next with the same key. The newest of each key always arrives. */
  send(message: M): void;
  /** Sends what is still there, and ends the call. */
  close(): Promise<void>;
}

export function openSignal<I extends DescMessage, O extends DescMessage>(
  transport: Transport,
  method: DescMethodClientStreaming<I, O>,
  contract: ChannelContract,
  options: CallOptions = {},
): SignalSender<MessageInitShape<I>> {
  return new Sender<I, O>(transport, method, contract, options);
}

/** Calls lost in a row before the signal gives up, and the wait after the first, in milliseconds; it doubles. */
const MAX_LOSSES = 8;
const LOSS_WAIT_MS = 50;

class Sender<I extends DescMessage, O extends DescMessage> implements SignalSender<MessageInitShape<I>> {
  readonly #start: () => Promise<void>;
  readonly #clock: Clock;
  readonly #key: string | undefined;
  /** In the order in which their keys came up. */
  readonly #waiting = new Map<unknown, MessageInitShape<I>>();
  /** The last of each key that was handed to the call that runs: told again if the call is lost. */
  readonly #handed = new Map<unknown, MessageInitShape<I>>();
  #wake: (() => void) | undefined;
  /** Which call takes messages: one that was lost may still be asking for its next. */
  #taking: object | undefined;
  #closing = false;
  #running: Promise<void> | undefined;
  #failed: ConnectError | undefined;

  constructor(
    transport: Transport,
    method: DescMethodClientStreaming<I, O>,
    contract: ChannelContract,
    options: CallOptions,
  ) {
    // A connection of ours goes by its own clock; a foreign transport knows none.
    this.#clock = (transport as { readonly clock?: Clock }).clock ?? systemClock();
    this.#key = contract.conflation?.key;
    this.#start = async () => {
      const response = await open(transport, method, contract, this.#messages(), options);
      for await (const _ of response.message); // its one, empty reply
    };
  }

  send(message: MessageInitShape<I>): void {
    if (this.#failed !== undefined) throw this.#failed;
    if (this.#closing) throw new ConnectError("The signal was closed by its owner.", Code.Canceled);
    const key = this.#key === undefined ? undefined : (message as Record<string, unknown>)[this.#key];
    this.#waiting.delete(key); // the newest goes to the end: keys take turns
    this.#waiting.set(key, message);
    this.#wake?.();
    this.#running ??= this.#run();
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.#wake?.();
    await this.#running;
    if (this.#failed !== undefined) throw this.#failed;
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** One call after the other: a lost session ends a call, not the signal. */
  async #run(): Promise<void> {
    let losses = 0;
    for (;;) {
      try {
        await this.#start();
      } catch (cause) {
        const error = ConnectError.from(cause);
        if (error.code !== Code.Unavailable || losses >= MAX_LOSSES) {
          this.#failed = error;
          return;
        }
        this.#taking = undefined;
        // Whether they arrived is unknown; what has a newer one does not matter any more.
        for (const [key, message] of this.#handed) if (!this.#waiting.has(key)) this.#waiting.set(key, message);
        this.#handed.clear();
        const waitMs = LOSS_WAIT_MS * 2 ** losses++;
        await new Promise<void>((resolve) => this.#clock.after(waitMs, resolve));
        continue;
      }
      losses = 0;
      this.#handed.clear();
      if (this.#closing && this.#waiting.size === 0) return;
      if (this.#waiting.size === 0) {
        this.#running = undefined; // the server ended the call; the next message opens another
        return;
      }
    }
  }

  async *#messages(): AsyncGenerator<MessageInitShape<I>> {
    const mine = (this.#taking = {});
    while (this.#taking === mine) {
      for (const [key, message] of this.#waiting) {
        this.#waiting.delete(key);
        this.#handed.set(key, message);
        yield message;
        break;
      }
      if (this.#waiting.size > 0) continue;
      if (this.#closing) return;
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}
