// What a user interface needs to know of a connection, readable and subscribable.
import type { ConnectError } from "@connectrpc/connect";

/**
 * - `connecting`: no session yet.
 * - `open`: calls flow.
 * - `resuming`: the link is lost, the next is being opened; calls wait.
 * - `switching`: calls flow, while another link is being opened.
 * - `offline`: the last attempt failed; the next is at `nextAttemptAt`, or comes with the next call.
 * - `closed`: by its owner.
 */
export type ConnectionStatus = "connecting" | "open" | "resuming" | "switching" | "offline" | "closed";

export interface ConnectionSnapshot {
  readonly status: ConnectionStatus;
  /** Name of the transport in use; undefined while there is no link. */
  readonly transport: string | undefined;
  /** Base URL of the server in use; undefined while there is no link. */
  readonly endpoint: string | undefined;
  /** The last measured round trip, in milliseconds. */
  readonly roundTripMs: number | undefined;
  /** Why the last link ended or could not be opened. */
  readonly reason: ConnectError | undefined;
  /** When the next attempt starts, in milliseconds since 1970. */
  readonly nextAttemptAt: number | undefined;
}

/** The latest snapshot and those who want the next; a snapshot is never changed, so it can be compared by identity (`useSyncExternalStore`). */
export class ConnectionState {
  #current: ConnectionSnapshot = {
    status: "connecting",
    transport: undefined,
    endpoint: undefined,
    roundTripMs: undefined,
    reason: undefined,
    nextAttemptAt: undefined,
  };
  readonly #listeners = new Set<(snapshot: ConnectionSnapshot) => void>();
  readonly #failed: (error: unknown) => void;

  /** `failed` is told what listeners throw. */
  constructor(failed: (error: unknown) => void = () => {}) {
    this.#failed = failed;
  }

  get current(): ConnectionSnapshot {
    return this.#current;
  }

  /** Calls `listener` now and at each change, until disposed. */
  subscribe(listener: (snapshot: ConnectionSnapshot) => void): Disposable & (() => void) {
    const own = (snapshot: ConnectionSnapshot): void => listener(snapshot);
    this.#listeners.add(own);
    own(this.#current);
    const end = (): void => void this.#listeners.delete(own);
    return Object.assign(end, { [Symbol.dispose]: end });
  }

  /** By the connection. */
  set(change: Partial<ConnectionSnapshot>): void {
    const next = { ...this.#current, ...change };
    const before = this.#current;
    if ((Object.keys(next) as (keyof ConnectionSnapshot)[]).every((key) => next[key] === before[key])) return;
    this.#current = next;
    for (const listener of [...this.#listeners]) {
      try {
        listener(next);
      } catch (error) {
        this.#failed(error); // whoever watches must not stop what he watches
      }
    }
  }
}
