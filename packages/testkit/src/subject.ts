// What is to be tested: a way to open links, both ends of which are in the hands of the kit.
import type { LinkOpened, LinkTraits } from "@raceway/core";

export interface LinkSubject extends Partial<AsyncDisposable> {
  /** Name of the transport, as `Link.transport` must say. */
  readonly name: string;
  readonly traits: LinkTraits;
  /**
   * Opens one link and resolves when both ends were handed over. Several may be opening at once.
   * Disposing what it gives ends the link, if it still lives, and frees what belongs to it alone.
   * When `signal` is aborted before the client's end was handed over, it rejects, and nothing stays open. A link with a signal
   * may end before both ends were handed over; what then still comes must not be taken for another link.
   */
  connect(client: LinkOpened, server: LinkOpened, signal?: AbortSignal): Promise<AsyncDisposable>;
  /**
   * Cuts the connections under all open links, as a broken cable would: at once, or when so many more bytes have passed in
   * either direction. New connections work again. Absent: what happens then cannot be tested.
   */
  cut?(afterBytes?: number): void | Promise<void>;
  /** Links that can be open at once where the kit runs; 100 unless said. A browser opens six HTTP/1.1 connections to a server. */
  readonly maxLinks?: number;
  /** False where `pause` cannot reach the peer, since the platform cannot stop reading (a browser's WebSocket). True unless said. */
  readonly pauseReachesPeer?: boolean;
  /** Longest wait for anything that has to happen, in milliseconds; 10,000 unless said. */
  readonly patienceMs?: number;
}
