// One session of a connection with what the client knows of it: its name, its secret, and the server that has it.
import type { ConnectError } from "@connectrpc/connect";
import type { Endpoint, Timer } from "@raceway/core";
import type { AuthFrame, GoawayFrame, Session, SessionLink, SessionOwner } from "@raceway/core/internal";

/** What a session tells, with the seat that it sits in. */
export interface SeatHost {
  auth(seat: Seat, frame: AuthFrame): void;
  linkLost(seat: Seat, error: ConnectError | undefined): void;
  goaway(seat: Seat, link: SessionLink, frame: GoawayFrame): void;
  pong(id: number): void;
}

export class Seat implements SessionOwner {
  session!: Session; // right after the seat is made
  /** What the server called the session; undefined until the first Welcome. */
  identity: { readonly session: Uint8Array; readonly secret: Uint8Array } | undefined;
  /** Where it lives; undefined until the first Welcome. */
  endpoint: Endpoint | undefined;
  /** When a fresh credential is due. */
  refresh: Timer | undefined;
  readonly #host: SeatHost;

  constructor(host: SeatHost) {
    this.#host = host;
  }

  opened(): void {}
  waits(): void {}
  ended(): void {
    this.refresh?.[Symbol.dispose]();
  }
  auth(frame: AuthFrame): void {
    this.#host.auth(this, frame);
  }
  linkLost(error: ConnectError | undefined): void {
    this.#host.linkLost(this, error);
  }
  goaway(link: SessionLink, frame: GoawayFrame): void {
    this.#host.goaway(this, link, frame);
  }
  pong(id: number): void {
    this.#host.pong(id);
  }
}
