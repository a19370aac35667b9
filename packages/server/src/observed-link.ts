// A link of whose life an observer is told: opened, what goes over it, closed, and that its session moved to it or away from it.
import type { ConnectError } from "@connectrpc/connect";
import type { Clock, Link, LinkTraits, Observer, Peer } from "@raceway/core";
import { type Handshake, SessionLink } from "@raceway/core/internal";
import type { ServerSession } from "./sessions.ts";

export class ObservedLink extends SessionLink {
  readonly #observer: Observer;
  readonly #clock: Clock;
  readonly #openedAt: number;
  /** Set with its Welcome. */
  owner: ServerSession | undefined;

  constructor(link: Link, handshake: Handshake, text: boolean, observer: Observer, clock: Clock) {
    super(observer.batch === undefined ? link : new CountedLink(link, observer), handshake, text);
    this.#observer = observer;
    this.#clock = clock;
    this.#openedAt = clock.now();
    observer.link?.({ kind: "opened", transport: link.transport, session: "", livedMs: 0, error: undefined });
  }

  override batch(bytes: Uint8Array): void {
    const { standby, session } = this;
    const { transport } = this.link;
    this.#observer.batch?.(transport, "in", bytes.length);
    const before = standby ? session?.current : undefined;
    super.batch(bytes);
    // The client spoke on it, and so chose it.
    if (standby && session?.current === this) this.owner?.switched(before?.link.transport ?? "", transport);
  }

  override closed(error: ConnectError | undefined): void {
    if (this.over) return;
    const { session, owner } = this;
    const { transport } = this.link;
    const wasCurrent = session?.current === this;
    super.closed(error);
    const livedMs = this.#clock.now() - this.#openedAt;
    this.#observer.link?.({ kind: "closed", transport, session: owner?.id ?? "", livedMs, error });
    // Another that was open took its place.
    const next = session?.current;
    if (wasCurrent && session?.over === undefined && next !== undefined)
      owner?.switched(transport, next.link.transport);
  }
}

/** Tells how much is sent. */
class CountedLink implements Link {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  readonly #link: Link;
  readonly #observer: Observer;

  constructor(link: Link, observer: Observer) {
    this.transport = link.transport;
    this.traits = link.traits;
    this.peer = link.peer;
    this.#link = link;
    this.#observer = observer;
  }

  get buffered(): number {
    return this.#link.buffered;
  }
  send(parts: readonly Uint8Array[]): boolean {
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    this.#observer.batch!(this.transport, "out", bytes);
    return this.#link.send(parts);
  }
  pause(): void {
    this.#link.pause();
  }
  resume(): void {
    this.#link.resume();
  }
  close(error?: ConnectError): void {
    this.#link.close(error);
  }
}
