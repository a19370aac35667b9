// Who counts bytes, and says when there were too many: the links of a session are held up, and so are the streams of a call at a native door.
import { type ContextKey, createContextKey } from "@connectrpc/connect";

/** Counts the bytes of one peer, on the wire. */
export interface ByteMeter {
  /**
   * So many bytes came in, or were given to the network. Undefined: go on. A promise: no more in this direction until it resolves. It must not reject.
   * Called once per batch of a link, so it must be quick.
   */
  spend(direction: "in" | "out", bytes: number): Promise<void> | undefined;
}

/** The bytes of one call at a native door: they are counted from the beginning, though who has to answer for them is known only once it was admitted. */
export class CallBytes {
  #meter: ByteMeter | undefined;
  #before = 0;

  /** By the host: the call was admitted. */
  admitted(meter: ByteMeter | undefined): void {
    this.#meter = meter;
    if (this.#before > 0) void meter?.spend("in", this.#before);
  }
  /** By the door. */
  spend(direction: "in" | "out", bytes: number): Promise<void> | undefined {
    if (this.#meter !== undefined) return this.#meter.spend(direction, bytes);
    if (direction === "in") this.#before += bytes;
    return undefined;
  }
}

/** Set by a door, for the host, where `NativeDoor.metered`. */
export const callBytes: ContextKey<CallBytes | undefined> = createContextKey<CallBytes | undefined>(undefined, {
  description: "bytes of a native call",
});
