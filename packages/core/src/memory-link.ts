// Two linked ends in one process: the smallest link that keeps every rule of link.ts, to read before writing a transport.
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "./clock.ts";
import { fail } from "./errors.ts";
import type { Link, LinkOpened, LinkReceiver, LinkTraits, Peer } from "./link.ts";

type LinkClock = Pick<Clock, "turnEnd"> & Partial<Pick<Clock, "loopEnd">>;

/** Deliveries of one end between two turns of the loop: more than any conversation that comes to rest has, and some ten milliseconds. */
const MOST_AT_ONCE = 5_000;

export interface MemoryLinkOptions {
  /** What is sent in one turn arrives at its end. `loopEnd` lets the loop have its turn now and then; without it, two ends that never fall silent hold the process. */
  readonly clock: LinkClock;
  /** Name of the transport; "memory" unless said. */
  readonly transport?: string;
  /** Bytes on their way above which `send` returns false; 64 KiB unless said. */
  readonly highWater?: number;
  /** 1,114,112 unless said, as `limits.batchBytes`. */
  readonly maxBatchBytes?: number;
  /** The link takes text only, as Server-Sent Events do. A batch that is not UTF-8 ends it. */
  readonly text?: boolean;
}

export interface MemoryLink {
  readonly client: Link;
  readonly server: Link;
  /** Kills the link as a broken cable would: what is on its way is lost, and both ends are told. */
  cut(error?: ConnectError): void;
}

/** Opens a link: calls `client`, then `server`, each with its end. Nothing is delivered before both have returned. */
export function memoryLink(client: LinkOpened, server: LinkOpened, options: MemoryLinkOptions): MemoryLink {
  const clientEnd = new MemoryEnd(options);
  const serverEnd = new MemoryEnd(options);
  clientEnd.join(serverEnd);
  clientEnd.open(client);
  serverEnd.open(server);
  return {
    client: clientEnd,
    server: serverEnd,
    cut(error = fail("link_closed", { transport: clientEnd.transport, detail: "it was cut" })) {
      clientEnd.die(error);
      serverEnd.die(error);
    },
  };
}

/** Bytes never leave the process, so nobody on the way can read them. */
const inProcess: Peer = { address: "", secure: true, header: () => undefined };

class MemoryEnd implements Link {
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer = inProcess;
  /** Bytes in the other end's inbox: in memory, "given to the network" means delivered. */
  buffered = 0;
  readonly #clock: LinkClock;
  readonly #highWater: number;
  #other!: MemoryEnd; // from `join` on
  #receiver!: LinkReceiver; // from `open` on; never called before, since only ends of turns call it
  /** Batches on their way to this end, oldest first; "end" stands behind the last one of a link closed in good order. */
  #inbox: (Uint8Array | "end")[] = [];
  #paused = false;
  /** `send` returned false, so a `drain` is owed. */
  #full = false;
  /** From the first `close` or `die` on: no batch goes in or out any more, only `closed` is owed. */
  #over = false;
  #scheduled = false;
  /** Deliveries since the loop turned; 0 if nobody waits for that. */
  #deliveries = 0;

  constructor(options: MemoryLinkOptions) {
    this.transport = options.transport ?? "memory";
    this.traits = {
      binary: options.text !== true,
      duplex: true,
      push: true,
      maxBatchBytes: options.maxBatchBytes ?? 1_114_112,
    };
    this.#clock = options.clock;
    this.#highWater = options.highWater ?? 65_536;
  }

  join(other: MemoryEnd): void {
    this.#other = other;
    other.#other = this;
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this); // which may already send, pause or close
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    // A copy, always: the parts may be on their way to a thousand other links, while the receiver owns what it gets.
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    if (bytes === 0) return !this.#full; // nothing said, nothing to deliver
    const batch = new Uint8Array(bytes);
    let at = 0;
    for (const part of parts) {
      batch.set(part, at);
      at += part.length;
    }
    if (!this.traits.binary && !isText(batch)) {
      this.close(fail("frame_malformed", { detail: "the batch is not UTF-8, and this link takes text only" }));
      return false;
    }
    this.buffered += bytes;
    if (this.buffered > this.#highWater) this.#full = true;
    // Never call the peer's receiver from here: it might answer at once, and we would be called inside our own `send`.
    this.#other.#take(batch);
    return !this.#full;
  }

  pause(): void {
    this.#paused = true; // batches stay in the inbox, so the peer's `buffered` grows and its `send` returns false
  }

  resume(): void {
    this.#paused = false;
    this.#schedule();
  }

  close(error?: ConnectError): void {
    if (this.#over) return;
    if (error === undefined) {
      this.#other.#take("end"); // behind all that was sent before
      this.die(undefined);
    } else {
      this.die(error);
      this.#other.die(
        fail("link_closed", { transport: this.transport, detail: "the other end closed it with an error" }),
      );
    }
  }

  /** Ends this end alone. `closed` comes when the turn is over: the caller may be in the middle of something. */
  die(error: ConnectError | undefined): void {
    if (this.#over) return;
    this.#over = true;
    this.#drop();
    this.#clock.turnEnd(() => this.#receiver.closed(error));
  }

  #take(item: Uint8Array | "end"): void {
    if (this.#over) {
      if (item !== "end") this.#other.buffered -= item.length; // sent into a dead end: lost
      return;
    }
    this.#inbox.push(item);
    this.#schedule();
  }

  /** Forgets what is on its way to this end. What this end sent before still arrives, unless the other end drops it too. */
  #drop(): void {
    this.#inbox = [];
    this.#other.buffered = 0;
  }

  #schedule(): void {
    if (this.#scheduled || this.#inbox.length === 0) return;
    this.#scheduled = true;
    const deliver = (): void => {
      this.#scheduled = false;
      this.#deliver();
    };
    const { loopEnd } = this.#clock;
    if (loopEnd !== undefined && this.#deliveries++ === 0) loopEnd(() => (this.#deliveries = 0));
    if (loopEnd !== undefined && this.#deliveries > MOST_AT_ONCE) loopEnd(deliver);
    else this.#clock.turnEnd(deliver);
  }

  #deliver(): void {
    const inbox = this.#inbox;
    let next = 0;
    // Asked anew for each batch: the receiver may pause or close in any of them.
    for (; next < inbox.length && !this.#paused && !this.#over; next++) {
      const item = inbox[next];
      if (item === undefined) break;
      if (item === "end") {
        this.#over = true;
        this.#receiver.closed(undefined);
        return;
      }
      this.#other.buffered -= item.length;
      this.#receiver.batch(item);
    }
    if (this.#over) return;
    inbox.splice(0, next);
    const sender = this.#other;
    if (sender.#full && !sender.#over && sender.buffered === 0) {
      sender.#full = false;
      sender.#receiver.drain();
    }
  }
}

const strictText = new TextDecoder("utf-8", { fatal: true });

function isText(bytes: Uint8Array): boolean {
  try {
    strictText.decode(bytes);
    return true;
  } catch {
    return false;
  }
}
