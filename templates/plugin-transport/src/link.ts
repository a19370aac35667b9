// A socket as a link: the same on both sides, since both may send at any time.
import type { Socket } from "node:net";
import {
  type Clock,
  fail,
  type Link,
  type LinkOpened,
  type LinkReceiver,
  type LinkTraits,
  type Peer,
} from "@raceway/core";
import type { ResolvedUnixOptions } from "./options.ts";
import { BatchReader, GOODBYE, headOf, TRANSPORT, traitsOf } from "./protocol.ts";

type LinkError = Parameters<LinkReceiver["closed"]>[0];

/** Under this many bytes one copy is cheaper than handing several pieces to the socket. */
const COPY_BYTES = 4_096;

/** Whoever can open the file is on this machine: no address, and nothing on the way that could listen. */
const local: Peer = { address: "", secure: true, header: () => undefined };

/** Hands a connected socket over as a link. */
export function carryLink(socket: Socket, opened: LinkOpened, options: ResolvedUnixOptions, clock: Clock): void {
  new UnixLink(socket, options, clock).open(opened);
}

class UnixLink implements Link {
  readonly transport: string = TRANSPORT;
  readonly traits: LinkTraits;
  readonly peer: Peer = local;
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #lingerMs: number;
  readonly #reader: BatchReader;
  #receiver!: LinkReceiver; // from `open` on
  #paused = false;
  #over = false;

  constructor(socket: Socket, options: ResolvedUnixOptions, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
    this.#lingerMs = options.lingerMs;
    this.traits = traitsOf(options);
    this.#reader = new BatchReader(options.maxBatchBytes);
  }

  open(opened: LinkOpened): void {
    this.#receiver = opened(this); // the session may send in here; the socket takes it
    this.#socket.on("data", (chunk: Buffer) => {
      if (this.#over) return; // read and thrown away: a socket closed with unread data would take back what it sent
      this.#reader.add(chunk);
      this.#read();
    });
    this.#socket.on("drain", () => {
      if (!this.#over) this.#receiver.drain();
    });
    this.#socket.on("error", () => {}); // "close" follows
    this.#socket.on("end", () => this.#read());
    this.#socket.on("close", () => {
      const detail = this.#reader.midBatch ? "the connection broke in the middle of a batch" : "the connection broke";
      this.#end(fail("link_closed", { transport: TRANSPORT, detail }));
    });
  }

  get buffered(): number {
    return this.#socket.writableLength;
  }

  send(parts: readonly Uint8Array[]): boolean {
    if (this.#over) return false;
    let bytes = 0;
    for (const part of parts) bytes += part.length;
    if (bytes === 0) return !this.#socket.writableNeedDrain; // nothing said; on the wire it would be a goodbye
    if (bytes > this.traits.maxBatchBytes) {
      this.close(fail("batch_too_large", { bytes, limit: this.traits.maxBatchBytes }));
      return false;
    }
    const head = headOf(bytes);
    if (bytes < COPY_BYTES) return this.#socket.write(Buffer.concat([head, ...parts], head.length + bytes));
    this.#socket.cork(); // one system call for all that follows
    let room = this.#socket.write(head);
    for (const part of parts) room = this.#socket.write(part);
    this.#socket.uncork();
    return room;
  }

  pause(): void {
    this.#paused = true;
    this.#socket.pause(); // the kernel's buffers fill up, and then the peer's `send` returns false
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
    this.#clock.turnEnd(() => this.#read()); // what was read before the pause; not from inside this method
  }

  close(error?: LinkError): void {
    if (this.#over) return;
    this.#over = true;
    this.#clock.turnEnd(() => this.#receiver.closed(error));
    if (error === undefined) {
      this.#socket.end(GOODBYE);
      this.#socket.resume(); // to see the peer's end, even if the link was paused
      const linger = this.#clock.after(this.#lingerMs, () => this.#socket.destroy());
      this.#socket.on("close", () => linger[Symbol.dispose]());
    } else {
      this.#socket.destroy(); // no goodbye: the peer gets an error too
    }
  }

  #read(): void {
    try {
      // Asked anew for each batch: the receiver may pause or close in any of them.
      while (!this.#paused && !this.#over) {
        const batch = this.#reader.next();
        if (batch === undefined) return;
        if (batch === "goodbye") {
          this.#socket.end();
          this.#end(undefined);
          return;
        }
        this.#receiver.batch(batch);
      }
    } catch (error) {
      this.close(error as LinkError); // the reader throws errors of Raceway only
    }
  }

  /** Only from events of the socket, so never from inside a method of the link. */
  #end(error: LinkError): void {
    if (this.#over) return;
    this.#over = true;
    this.#receiver.closed(error);
  }
}
