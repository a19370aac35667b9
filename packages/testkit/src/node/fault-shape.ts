// What can be done to connections: the words that the fault proxy, its connections and their two directions share.

/** "up": what the client sends. "down": what the server sends. */
export type FaultDirection = "up" | "down";

/** How bytes pass, where nothing is said as fast as they come. */
export interface FaultShape {
  /** No more than so many bytes per second. */
  readonly bytesPerSecond?: number;
  /** So much later, in milliseconds, in the order in which they came. */
  readonly delayMs?: number;
  /** Up to so much later still, by chance for each piece, in milliseconds. */
  readonly jitterMs?: number;
  /** In pieces of 1 to so many bytes, each in a turn of its own, wherever that cuts. */
  readonly splitBytes?: number;
}

/** What becomes of new connections. "refuse": reset at once. "hang": taken, and then nothing until `restore`. */
export type FaultAdmission = "pass" | "refuse" | "hang";

/** Of all connections of a proxy, or of one. Without a direction: both. */
export interface Faults {
  /** Breaks what is open: now, or when so many more bytes have passed. Now also calls off what was to break later. */
  cut(afterBytes?: number, direction?: FaultDirection): void;
  /** Ends what is open in one direction: the receiver sees an end in good order, what the sender says from then on is thrown away. */
  halfClose(direction: FaultDirection): void;
  /** A black hole: connections stay open, nothing passes, nothing is read, so that the sender's buffers fill. Until `restore`. */
  stall(direction?: FaultDirection): void;
  /** Changes how bytes pass; replaces what was said before for the direction. */
  shape(shape: FaultShape, direction?: FaultDirection): void;
  /** Lets everything pass as it should; what a stall kept back goes first. What was cut or half closed stays so. */
  restore(): void;
}
