// What both halves of the poll transport say to each other: headers, and batches in a body.
//
// Each request has a number, counted from 1 on its link. Its body carries batches up, its answer carries batches down. Requests are taken in the
// order of their numbers, and answers are delivered in it; either may be repeated, since the server keeps each answer until a later request says
// that it was received. At most two requests are under way: one that is held, and one that takes over from it.

export const TRANSPORT = "poll";

/** Request: the client's own name of a link that it opens, until it knows the server's; so that the opening, too, may be repeated. */
export const OPEN_HEADER = "raceway-open";
/** Name of the link: in the answer to its opening, and in all further requests. Whoever knows it has the link. */
export const LINK_HEADER = "raceway-link";
/** Request: see {@link PollHead}. */
export const POLL_HEADER = "raceway-poll";
/** Either way: the sender has closed the link. "": in good order, and behind what is in the body; else why, percent-encoded. */
export const CLOSE_HEADER = "raceway-close";
/** Answer: the server is paused; send no batches until an answer without it. */
export const PAUSE_HEADER = "raceway-pause";

/** `send` says stop above this. */
export const HIGH_WATER_BYTES = 65_536;
/** An opening, and in short mode a request that carries batches, is held so long for an answer to what it carries. */
export const SETTLE_MS = 250;
/** Requests that may be under way at once. */
export const WINDOW = 2;

/** What a request says about itself. */
export interface PollHead {
  /** Its number. */
  readonly number: number;
  /** All answers up to this number have been received. */
  readonly received: number;
  /** How long it may be held. */
  readonly holdMs: number;
  /** Largest batch that the client takes. */
  readonly maxBytes: number;
  /** Time to the next request after the answer to this one; 0: at once, so that the server can always send. */
  readonly nextMs: number;
  /** The answer may carry batches; if not, the client is paused. */
  readonly takes: boolean;
}

export function writeHead(head: PollHead): string {
  return `${head.number} ${head.received} ${head.holdMs} ${head.maxBytes} ${head.nextMs} ${head.takes ? 1 : 0}`;
}

/** Undefined if it is malformed. */
export function readHead(text: string | undefined): PollHead | undefined {
  const match = /^(\d{1,15}) (\d{1,15}) (\d{1,9}) (\d{1,9}) (\d{1,9}) ([01])$/.exec(text ?? "");
  if (match === null) return undefined;
  const [number, received, holdMs, maxBytes, nextMs, takes] = match.slice(1).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return number >= 1 && received < number
    ? { number, received, holdMs, maxBytes, nextMs, takes: takes === 1 }
    : undefined;
}
