// Calls that wait un-opened for a link: bounded, in the order in which they were made, and handed over in small lots when it is there.
//
// What waits here was never written to a session, so a call that fails here is never sent. With a link, and nothing waiting, a call only passes by.
import type { ConnectError } from "@connectrpc/connect";
import { type Limits, fail } from "@raceway/core";
import { Call, type Session } from "@raceway/core/internal";
import type { Operation, OperationHost } from "./operation.ts";
import type { OutboxKeeper, RestoredCall } from "./outbox-entry.ts";

export interface OutboxOptions {
  /**
   * What becomes of a call for which there is no room:
   * - `"reject"` (default): it ends with `outbox_full`.
   * - `"drop-oldest"`: it is taken, and the oldest that wait end with `outbox_dropped`.
   * - `"wait"`: its caller waits until there is room; deadline and signal count meanwhile. Bounds what the outbox holds, not how many callers wait.
   */
  readonly whenFull?: "reject" | "drop-oldest" | "wait";
  /** Keeps idempotent calls over reloads and restarts: `indexedDbOutbox()` of `/indexeddb`, `fileOutbox()` of `/node`, `keepOutbox()` of `/outbox` for a store of your own. */
  readonly store?: OutboxKeeper;
  /** What became of a call whose page or process is gone. Once per kept call; again if the page dies before that is written down. */
  readonly onRestored?: (call: RestoredCall) => void;
}

/** What waits now; never changed, so it can be compared by identity. */
export interface OutboxSnapshot {
  readonly count: number;
  readonly bytes: number;
}

/** The calls of a connection that wait for a link. */
export interface ConnectionOutbox {
  readonly current: OutboxSnapshot;
  /** Calls `listener` now and at each change, until disposed. */
  subscribe(listener: (snapshot: OutboxSnapshot) => void): Disposable & (() => void);
}

/** Calls handed over per turn of the event loop: what follows them is served in between. */
const TURN_CALLS = 64;

export class Outbox implements ConnectionOutbox {
  readonly #host: OperationHost;
  readonly #limits: Limits;
  readonly #whenFull: OutboxOptions["whenFull"];
  readonly #keeper: OutboxKeeper | undefined;
  /** By the order in which the calls were made. The first `#count` are held, the rest wait for room. */
  readonly #queue: Operation[] = [];
  #count = 0;
  #bytes = 0;
  #order = 0;
  /** Unary calls handed over and not yet answered. */
  #flying = 0;
  #scheduled = false;
  #closed = false;
  /** A call that is never opened: it waits for room on the link among those that are. */
  #pacer: Call | undefined;
  #snapshot: OutboxSnapshot | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(host: OperationHost, limits: Limits, options: OutboxOptions = {}) {
    this.#host = host;
    this.#limits = limits;
    this.#whenFull = options.whenFull;
    this.#keeper = options.store;
  }

  get current(): OutboxSnapshot {
    return (this.#snapshot ??= { count: this.#count, bytes: this.#bytes });
  }
  subscribe(listener: (snapshot: OutboxSnapshot) => void): Disposable & (() => void) {
    const own = (): void => listener(this.current);
    this.#listeners.add(own);
    own();
    const end = (): void => void this.#listeners.delete(own);
    return Object.assign(end, { [Symbol.dispose]: end });
  }
  /** The calls that are held, oldest first. */
  get held(): readonly Operation[] {
    return this.#queue.slice(0, this.#count);
  }

  /** Opens the call now, if all is well, else when there is a link. Throws what opening throws, `outbox_full`, or why there will be no link. `again`: it was taken before. */
  submit(operation: Operation, again = false): void {
    if (operation.flying) this.#landed(operation);
    if (this.#closed && this.#keeper?.keeps(operation) === true) throw fail("call_kept");
    if (operation.stale) throw stale(operation);
    const session = this.#host.session();
    operation.order ||= ++this.#order;
    if (
      this.#queue.length === 0 &&
      session.current !== undefined &&
      (this.#keeper === undefined || this.#keeper.ready(operation))
    )
      return operation.launch(session);

    operation.size = operation.weight;
    if (!again && !this.#fits(operation)) {
      const { outboxMessages, outboxBytes } = this.#limits;
      if (this.#whenFull === "drop-oldest" && outboxMessages > 0 && operation.size <= outboxBytes) {
        let oldest: Operation | undefined;
        while (
          !this.#fits(operation) &&
          (oldest = this.#queue.find((each) => each.openedAt === undefined)) !== undefined
        )
          oldest.abort(fail("outbox_dropped"));
      }
      if (this.#whenFull !== "wait" && !this.#fits(operation))
        throw fail("outbox_full", { count: this.#count, limit: outboxMessages });
    }
    let at = this.#queue.length;
    while (at > 0 && this.#queue[at - 1]!.order > operation.order) at--;
    this.#queue.splice(at, 0, operation);
    operation.queued = true;
    if (again) this.#hold(operation);
    this.#changed();
    this.schedule();
  }

  #fits({ size }: Operation): boolean {
    return this.#count < this.#limits.outboxMessages && this.#bytes + size <= this.#limits.outboxBytes;
  }
  #hold(operation: Operation): void {
    this.#count++;
    this.#bytes += operation.size;
    this.#keeper?.accept(operation);
  }
  #remove(operation: Operation): void {
    const at = this.#queue.indexOf(operation);
    this.#queue.splice(at, 1);
    operation.queued = false;
    if (at < this.#count) {
      this.#count--;
      this.#bytes -= operation.size;
    }
    this.#changed();
  }
  /** Whoever waits for room comes in, if there is some; whoever watches is told. */
  #changed(): void {
    for (let next = this.#queue[this.#count]; next !== undefined && this.#fits(next); next = this.#queue[this.#count])
      this.#hold(next);
    this.#snapshot = undefined;
    for (const listener of this.#listeners) {
      try {
        listener();
      } catch (error) {
        this.#host.failed(error);
      }
    }
  }

  /** By a call that is over: if it waits, it never leaves. */
  settled(operation: Operation): void {
    if (operation.queued) this.#remove(operation);
    if (operation.flying) this.#landed(operation);
    this.#keeper?.settled(operation);
  }
  #landed(operation: Operation): void {
    operation.flying = false;
    this.#flying--;
    this.schedule();
  }

  /** There may be a link, room, or a call less in flight: looked at when the events at hand are dealt with. */
  schedule(): void {
    if (this.#scheduled || this.#queue.length === 0) return;
    this.#scheduled = true;
    this.#host.clock.loopEnd(this.#drain);
  }
  readonly #drain = (): void => {
    this.#scheduled = false;
    for (let handed = 0; ; handed++) {
      const operation = this.#queue[0];
      const session = this.#host.present;
      if (operation === undefined || session.current === undefined || !this.#roomy(session)) return;
      if (operation.stale) {
        operation.abort(stale(operation));
        continue;
      }
      if (handed >= TURN_CALLS) return this.schedule();
      if (this.#keeper?.ready(operation) === false) return;
      this.#remove(operation);
      if (operation.brief) {
        operation.flying = true;
        this.#flying++;
      }
      try {
        operation.launch(session);
      } catch (error) {
        operation.abort(error as ConnectError);
      }
    }
  };
  /** Room on the link, and at the server, which refuses more calls at once than its limit. If none of ours is in flight, the server may say so itself. */
  #roomy(session: Session): boolean {
    // Those whose headers are still being made are not in the session yet.
    if (this.#flying > 0 && Math.max(session.callsInFlight, this.#flying) >= this.#limits.calls) return false;
    if (this.#pacer?.session !== session)
      this.#pacer = new Call(session, 0, { ...nobody, writable: () => this.schedule() }, 0);
    return this.#pacer.writable;
  }

  /** All that wait end with this. */
  fail(error: ConnectError): void {
    for (const operation of [...this.#queue]) operation.abort(error);
  }
  /** The same, for good; what is kept in a store stays there. */
  close(error: ConnectError): Promise<void> | undefined {
    this.#closed = true;
    const closing = this.#keeper?.close();
    for (const operation of [...this.#queue])
      operation.abort(this.#keeper?.keeps(operation) === true ? fail("call_kept") : error);
    return closing;
  }
}

const stale = ({ path }: Operation): ConnectError => fail("outcome_unknown", { path });
const ignore = (): void => {};
const nobody = { data: ignore, end: ignore, cancelled: ignore, lost: ignore };
