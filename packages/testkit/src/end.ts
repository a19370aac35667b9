// One end of a link in the hands of the kit: notes all that happens to it, and every rule that is broken on the way.
import type { ConnectError } from "@connectrpc/connect";
import type { Link, LinkOpened, LinkReceiver } from "@raceway/core";
import { nextTurn, require, RuleBroken } from "./case.ts";

/** What a case does when something happens; each may use the end. */
export interface Habits {
  readonly opened?: (end: End) => void;
  readonly batch?: (end: End, bytes: Uint8Array) => void;
  readonly drain?: (end: End) => void;
  readonly closed?: (end: End) => void;
}

interface Waiter {
  readonly check: () => boolean;
  readonly what: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class End {
  /** "client" or "server", for messages. */
  readonly side: string;
  /** All batches, as they came, in order. */
  readonly batches: Uint8Array[] = [];
  receivedBytes = 0;
  drains = 0;
  opens = 0;
  closed: { readonly error: ConnectError | undefined } | undefined;
  /** Rules that were broken, in words. */
  readonly broken: string[] = [];
  readonly #patienceMs: number;
  readonly #habits: Habits;
  #link: Link | undefined;
  #inside: string | undefined;
  #waiters: Waiter[] = [];

  constructor(side: string, patienceMs: number, habits: Habits = {}) {
    this.side = side;
    this.#patienceMs = patienceMs;
    this.#habits = habits;
  }

  /** To be given to the transport. */
  readonly opened: LinkOpened = (link) => {
    this.opens++;
    if (this.opens > 1)
      this.#break(`opened was called ${this.opens} times on the ${this.side}; it is called exactly once`);
    this.#link ??= link;
    const receiver: LinkReceiver = {
      batch: (bytes) => {
        this.#called("batch");
        if (!(bytes instanceof Uint8Array))
          this.#break(`batch on the ${this.side} got ${typeof bytes}, not a Uint8Array`);
        this.batches.push(bytes);
        this.receivedBytes += bytes.length;
        this.#habits.batch?.(this, bytes);
        this.#look();
      },
      drain: () => {
        this.#called("drain");
        this.drains++;
        this.#habits.drain?.(this);
        this.#look();
      },
      closed: (error) => {
        this.#called("closed");
        this.closed ??= { error };
        this.#habits.closed?.(this);
        this.#look();
      },
    };
    const before = this.#inside;
    this.#inside = "opened";
    this.#habits.opened?.(this);
    this.#inside = before;
    this.#look();
    return receiver;
  };

  get link(): Link {
    require(this.#link !== undefined, `opened was never called on the ${this.side}`);
    return this.#link;
  }

  get buffered(): number {
    return this.link.buffered;
  }

  send(parts: readonly Uint8Array[]): boolean {
    const room = this.#within("send", (link) => link.send(parts));
    if (typeof room !== "boolean") this.#break(`send on the ${this.side} returned ${String(room)}, not a boolean`);
    return room;
  }

  pause(): void {
    this.#within("pause", (link) => link.pause());
  }

  resume(): void {
    this.#within("resume", (link) => link.resume());
  }

  close(error?: ConnectError): void {
    this.#within("close", (link) => link.close(error));
  }

  /** Sends all, and stops for a drain whenever the link asks for it. */
  async pour(batches: Iterable<readonly Uint8Array[]>): Promise<void> {
    for (const parts of batches) {
      const drains = this.drains;
      if (!this.send(parts)) await this.until(() => this.drains > drains, "drain after send returned false");
    }
  }

  /** Waits for something that receiver calls bring about. Fails when patience is at an end, or the link is over before. */
  async until(check: () => boolean, what: string): Promise<void> {
    if (check()) return;
    if (this.closed !== undefined) throw this.#overBefore(what);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { check, what, resolve, reject };
    const timer = setTimeout(() => {
      this.#waiters = this.#waiters.filter((other) => other !== waiter);
      reject(new RuleBroken(`the ${this.side} waited ${this.#patienceMs} ms in vain for ${what}${this.#state()}`));
    }, this.#patienceMs);
    this.#waiters.push(waiter);
    try {
      await promise;
    } finally {
      clearTimeout(timer);
    }
  }

  untilBatches(count: number): Promise<void> {
    return this.until(() => this.batches.length >= count, `batch number ${count}`);
  }

  untilClosed(): Promise<void> {
    return this.until(() => this.closed !== undefined, "closed");
  }

  /** Throws when a rule was broken already, for cases that take long. */
  check(): void {
    const [rule] = this.broken;
    if (rule !== undefined) throw new RuleBroken(rule);
  }

  /** Waits for something that no receiver call tells of, such as `buffered`. */
  async watch(check: () => boolean, what: string): Promise<void> {
    const end = performance.now() + this.#patienceMs;
    while (!check()) {
      this.check();
      if (performance.now() > end)
        throw new RuleBroken(`the ${this.side} waited ${this.#patienceMs} ms in vain for ${what}${this.#state()}`);
      await nextTurn(1);
    }
  }

  /** All that was sent is with the network. */
  flushed(): Promise<void> {
    return this.watch(() => this.buffered === 0, "buffered to return to 0");
  }

  #within<T>(method: string, call: (link: Link) => T): T {
    const { link } = this;
    const before = this.#inside;
    this.#inside = method;
    try {
      return call(link);
    } catch (error) {
      this.#break(`${method} on the ${this.side} threw ${String(error)}; a link never throws`);
      throw error;
    } finally {
      this.#inside = before;
    }
  }

  /** Notes a broken rule. Who waits need not wait longer. */
  #break(rule: string): void {
    this.broken.push(rule);
    for (const waiter of this.#waiters) waiter.reject(new RuleBroken(rule));
    this.#waiters = [];
  }

  #called(method: string): void {
    if (this.#inside === "opened") this.#break(`${method} was called on the ${this.side} before opened returned`);
    else if (this.#inside !== undefined)
      this.#break(`${method} was called on the ${this.side} from inside ${this.#inside}`);
    if (this.closed !== undefined)
      this.#break(`${method} was called on the ${this.side} after closed; closed is called once, and last`);
  }

  #look(): void {
    if (this.#waiters.length === 0) return;
    const left: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.check()) waiter.resolve();
      else if (this.closed !== undefined) waiter.reject(this.#overBefore(waiter.what));
      else left.push(waiter);
    }
    this.#waiters = left;
  }

  #overBefore(what: string): RuleBroken {
    return new RuleBroken(`the link of the ${this.side} was over before ${what}${this.#state()}`);
  }

  #state(): string {
    const over =
      this.closed === undefined
        ? ""
        : `, closed ${this.closed.error === undefined ? "in good order" : `with ${this.closed.error.message}`}`;
    return ` (${this.batches.length} batches of ${this.receivedBytes} bytes came${this.#link === undefined ? ", not opened" : `, ${this.#link.buffered} bytes buffered`}${over})`;
  }
}
