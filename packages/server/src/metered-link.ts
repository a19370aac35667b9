// A link that is held up where its meter says so: no more is taken from it, or given to it, for a while. Nothing is lost by it, and nothing waits in memory.
import type { ConnectError } from "@connectrpc/connect";
import type { ByteMeter, Clock, Link, LinkReceiver, LinkTraits, Peer } from "@raceway/core";

export class MeteredLink implements Link, LinkReceiver {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  /** Who takes what comes in. */
  receiver!: LinkReceiver;
  /** Set with the Welcome: before it is known who is there, nothing is counted. */
  meter: ByteMeter | undefined;
  readonly #link: Link;
  readonly #clock: Clock;
  readonly #mostMs: number;
  /** The session wants it paused. */
  #asked = false;
  /** The meter does. */
  #slowed = false;
  /** The session is to send no more: by the meter, and by the transport. */
  #held = false;
  #full = false;
  #closed = false;

  /** `mostMs`: longest pause, so that no link falls silent for its other end. After it, one batch more goes. */
  constructor(link: Link, clock: Clock, mostMs: number) {
    this.transport = link.transport;
    this.traits = link.traits;
    this.peer = link.peer;
    this.#link = link;
    this.#clock = clock;
    this.#mostMs = mostMs;
  }

  // ---- by the session

  get buffered(): number {
    return this.#link.buffered;
  }
  send(parts: readonly Uint8Array[]): boolean {
    const room = this.#link.send(parts);
    if (!room) this.#full = true;
    if (this.meter === undefined) return room;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    const wait = this.meter.spend("out", bytes);
    if (wait !== undefined && !this.#held) {
      this.#held = true;
      this.#until(wait, () => {
        this.#held = false;
        if (!this.#full) this.receiver.drain();
      });
    }
    return room && !this.#held;
  }
  pause(): void {
    this.#asked = true;
    this.#link.pause();
  }
  resume(): void {
    this.#asked = false;
    if (!this.#slowed) this.#link.resume();
  }
  close(error?: ConnectError): void {
    this.#link.close(error);
  }

  // ---- by the transport

  batch(bytes: Uint8Array): void {
    this.receiver.batch(bytes);
    const wait = this.meter?.spend("in", bytes.length);
    if (wait === undefined || this.#slowed || this.#closed) return;
    this.#slowed = true;
    this.#link.pause();
    this.#until(wait, () => {
      this.#slowed = false;
      if (!this.#asked) this.#link.resume();
    });
  }
  heard(): void {
    this.receiver.heard?.();
  }
  drain(): void {
    this.#full = false;
    if (!this.#held) this.receiver.drain();
  }
  closed(error: ConnectError | undefined): void {
    this.#closed = true;
    this.receiver.closed(error);
  }

  #until(wait: Promise<void>, then: () => void): void {
    let over = false;
    const once = (): void => {
      if (over) return;
      over = true;
      timer[Symbol.dispose]();
      if (!this.#closed) then();
    };
    const timer = this.#clock.after(this.#mostMs, once);
    void wait.then(once);
  }
}
