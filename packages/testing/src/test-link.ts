// The way between one client and the server of a test: as good or as bad as the test says.
import {
  type ClientTransport,
  type Clock,
  CONTRACT,
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type MemoryLink,
  memoryLink,
  type Peer,
  type ServerTransport,
  type Timer,
  type TransportHost,
} from "@raceway/core";

/** What a test can do to the way between a client and the server. It stays the same while links on it come and go. */
export interface TestLink {
  /** Breaks the open link; what is on its way is lost. The client may come back at once. */
  cut(): void;
  /** From now on nothing passes and nobody is told, as behind a dead router: the sender's buffers fill, heartbeats miss. */
  stall(): void;
  /** Ends `stall`: what was held goes on, in order. */
  flow(): void;
  /** Whatever is sent from now on takes so many milliseconds, each way; a link opens in twice as many. 0: none, as at first. Time is the test's. */
  delay(ms: number): void;
  /** Breaks the open link, and no other can be opened before `online`. */
  offline(): void;
  /** Links can be opened again. The client tries at its next attempt. */
  online(): void;
  /** Links opened so far: 1 after the first, one more after each cut. */
  readonly opened: number;
}

const NAME = "memory";
const traits: LinkTraits = { binary: true, duplex: true, push: true, maxBatchBytes: 1_114_112 };

/** Where clients find the server: its half of the transport, started or not. */
export class MeetingPoint {
  host: TransportHost | undefined;

  /** The server's half. A server that is started later takes the place of the one before. */
  readonly server: ServerTransport = {
    name: NAME,
    contract: CONTRACT,
    traits,
    start: (host) => {
      this.host = host;
      return {
        [Symbol.asyncDispose]: () => {
          if (this.host === host) this.host = undefined;
          return Promise.resolve();
        },
      };
    },
  };
}

/** One way, and the client's half of the transport that goes it. */
export class Way implements TestLink {
  opened = 0;
  delayMs = 0;
  stalled = false;
  readonly clock: Clock;
  readonly #meeting: MeetingPoint;
  /** Who the server takes the client for. */
  readonly #peer: Peer;
  readonly #passages = new Set<Passage>();
  /** Attempts that wait for the end of a stall. */
  readonly #waiting = new Set<() => void>();
  #offline = false;

  constructor(meeting: MeetingPoint, peer: Peer, clock: Clock) {
    this.#meeting = meeting;
    this.#peer = peer;
    this.clock = clock;
  }

  readonly client: ClientTransport = {
    name: NAME,
    contract: CONTRACT,
    traits,
    supports: () => true,
    start: () => ({
      open: async (_endpoint, opened, signal) => {
        await this.#wait(signal, (run) => this.clock.after(2 * this.delayMs, run), this.delayMs > 0);
        await this.#wait(signal, (run) => this.#onFlow(run), this.stalled);
        const { host } = this.#meeting;
        if (this.#offline) throw failed("the test took the way away");
        if (host === undefined) throw failed("no server is started");
        const passage = new Passage(this, this.#peer, opened, host, () => this.#passages.delete(passage));
        this.#passages.add(passage);
        this.opened++;
      },
    }),
  };

  cut(): void {
    for (const passage of this.#passages) passage.cut();
  }
  stall(): void {
    this.stalled = true;
    for (const passage of this.#passages) passage.look();
  }
  flow(): void {
    this.stalled = false;
    for (const passage of this.#passages) passage.look();
    for (const run of this.#waiting) run();
  }
  delay(ms: number): void {
    if (!(ms >= 0)) throw new RangeError(`A delay is a number of milliseconds from 0 on, not ${ms}.`);
    this.delayMs = ms;
  }
  offline(): void {
    this.#offline = true;
    this.cut();
  }
  online(): void {
    this.#offline = false;
  }

  #onFlow(run: () => void): Disposable {
    this.#waiting.add(run);
    return { [Symbol.dispose]: () => void this.#waiting.delete(run) };
  }

  /** Until `begin` calls back, or to the end of the turn. Rejects when the attempt is called off. */
  async #wait(signal: AbortSignal, begin: (run: () => void) => Disposable, needed: boolean): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      if (!needed) return this.clock.turnEnd(resolve);
      const calledOff = (): void => reject(failed("the attempt was called off"));
      if (signal.aborted) return calledOff();
      const waiting = begin(() => {
        waiting[Symbol.dispose]();
        signal.removeEventListener("abort", calledOff);
        resolve();
      });
      signal.addEventListener("abort", calledOff, { once: true });
    });
    if (signal.aborted) throw failed("the attempt was called off");
  }
}

const failed = (detail: string): Error => fail("transport_failed", { transport: NAME, detail });

/** One link on the way: a memory link with an end at each side that lets pass what the way lets pass. */
class Passage {
  readonly #ends: readonly PassageEnd[];
  readonly #link: MemoryLink;

  /** `over` is called when both ends know that it is over. */
  constructor(way: Way, peer: Peer, opened: LinkOpened, host: TransportHost, over: () => void) {
    let open = 2;
    const ended = (): void => void (--open === 0 && over());
    const client = new PassageEnd(way, undefined, ended);
    const server = new PassageEnd(way, peer, ended);
    this.#ends = [client, server];
    this.#link = memoryLink(
      (link) => client.open(link, opened),
      (link) => server.open(link, host.opened),
      { clock: way.clock, transport: NAME, maxBatchBytes: Math.min(traits.maxBatchBytes, host.maxBatchBytes) },
    );
  }

  cut(): void {
    for (const end of this.#ends) end.sever();
    this.#link.cut();
  }
  /** The way has changed. */
  look(): void {
    for (const end of this.#ends) end.look();
  }
}

/** One end: the session's link, and the memory link's receiver. What comes in waits here as long as the way says. */
class PassageEnd implements Link, LinkReceiver {
  readonly #way: Way;
  readonly #peer: Peer | undefined;
  readonly #over: () => void;
  #link!: Link; // from `open` on
  #receiver!: LinkReceiver; // likewise
  /** What came in and has not arrived, oldest first; the last may be the end. */
  #held: { readonly due: number; readonly arrive: () => void }[] = [];
  #timer: Timer | undefined;
  #paused = false;
  /** Nothing is waited for any more: this end closed, or the test cut the link. */
  #severed = false;

  constructor(way: Way, peer: Peer | undefined, over: () => void) {
    this.#way = way;
    this.#peer = peer;
    this.#over = over;
  }

  open(link: Link, opened: LinkOpened): LinkReceiver {
    this.#link = link;
    this.#receiver = opened(this);
    if (this.#way.stalled) link.pause();
    return this;
  }

  // ---- the session's side

  get transport(): string {
    return this.#link.transport;
  }
  get traits(): LinkTraits {
    return this.#link.traits;
  }
  get peer(): Peer {
    return this.#peer ?? this.#link.peer;
  }
  get buffered(): number {
    return this.#link.buffered;
  }
  send(parts: readonly Uint8Array[]): boolean {
    return this.#link.send(parts);
  }
  pause(): void {
    this.#paused = true;
    this.#link.pause();
  }
  resume(): void {
    this.#paused = false;
    if (!this.#way.stalled) this.#link.resume();
  }
  close(...error: Parameters<Link["close"]>): void {
    this.sever();
    this.#link.close(...error);
  }

  // ---- the memory link's side

  batch(bytes: Uint8Array): void {
    this.#arrives(() => this.#receiver.batch(bytes));
  }
  drain(): void {
    if (!this.#severed) this.#receiver.drain();
  }
  closed(...error: Parameters<LinkReceiver["closed"]>): void {
    const arrive = (): void => {
      this.#over();
      this.#receiver.closed(...error);
    };
    if (this.#severed) arrive();
    else this.#arrives(arrive);
  }

  // ---- the way's side

  /** What is on its way here is lost. */
  sever(): void {
    this.#severed = true;
    this.#held = [];
    this.#timer?.[Symbol.dispose]();
  }
  look(): void {
    if (this.#way.stalled) return this.#link.pause(); // so that the peer's `send` says false in the end
    if (!this.#paused) this.#link.resume();
    this.#way.clock.turnEnd(() => this.#pump()); // whoever changed the way may be called by the session
  }

  #arrives(arrive: () => void): void {
    const { clock, delayMs, stalled } = this.#way;
    if (this.#held.length === 0 && delayMs === 0 && !stalled) return arrive();
    const due = Math.max(this.#held.at(-1)?.due ?? 0, clock.now() + delayMs);
    if (this.#held.push({ due, arrive }) === 1) this.#pump();
  }

  #pump(): void {
    this.#timer?.[Symbol.dispose]();
    const { clock } = this.#way;
    while (!this.#way.stalled) {
      const [first] = this.#held;
      if (first === undefined) return;
      const wait = first.due - clock.now();
      if (wait > 0) {
        this.#timer = clock.after(wait, () => this.#pump());
        return;
      }
      this.#held.shift();
      first.arrive();
    }
  }
}
