// What a subscriber wants of a topic, handed through Connect's context values to whatever transport carries the call.
import { type ContextKey, createContextKey } from "@connectrpc/connect";
import type { Position } from "@raceway/core";

/** What is missing after a reset. */
export interface Gap {
  /** The last event that was received before. */
  readonly after: Position;
  /** Where reading goes on: the offset of the oldest event that is kept, in the present epoch. */
  readonly first: number;
  readonly epoch: string;
}

/** What the subscriber wants, and where he is. */
export interface TopicReading {
  /** "now": only what is published from now on. "start": from the oldest event that is kept. A position: what came after it. */
  readonly from: "now" | "start" | Position;
  /** Events are gone that were wanted. With this, reading goes on from the oldest that is kept; without, it ends with `history_gone`. */
  readonly onReset: ((gap: Gap) => void) | undefined;
  /** The last event that was read, kept up to date by the transport. */
  position: Position | undefined;
}

export const topicReading: ContextKey<TopicReading | undefined> = createContextKey<TopicReading | undefined>(
  undefined,
  { description: "topic reading" },
);
