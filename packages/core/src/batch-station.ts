// The batch station: what a plugin does to the bytes of batches, on links whose both ends have it.
//
// A coded batch stands as one frame (`Coded`) among others, so what a topic says is coded once for all its subscribers, and each link sends it
// beside its own frames. Handshakes are never coded, nor are batches of text.
import { type CodeLink, codeLink } from "./link-coding.ts";

/** Made by `batchStation`. */
export interface BatchStation {
  /** What it is called on the wire, best first; the first of a client's names that the server has is taken. Unique among all stations. */
  readonly wireNames: readonly string[];
  /** Once per link that agreed on `wireName`. A coder without state may be the same for all. */
  readonly open: (wireName: string) => BatchCoder;
  /** Server: once per topic, epoch and name, when the first such subscriber is there. Absent: topics are coded for each link. Only the first station of a link is asked. */
  readonly share?: (wireName: string) => SharedCoder;
  /** Core's own part, filled in by `batchStation`: clients without such a plugin do not load it. */
  readonly code: CodeLink;
}

/** Codes what is for one link alone. */
export interface BatchCoder {
  /**
   * The parts as one coded piece; undefined: they go as they are. Called at most once per flush. Must not keep or change the parts.
   * If it answers with a promise, what is sent after waits for it: order is kept, and the price is paid by this link alone.
   */
  encode(parts: readonly Uint8Array[]): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  /**
   * Undoes `encode`, or what a `SharedCoder` did with `dictionary`. Throws a RangeError if more than `maxBytes` come of it, before it holds them all;
   * any other error if it is no such piece. Either ends the link.
   */
  decode(coded: Uint8Array, maxBytes: number, dictionary: Uint8Array | undefined): Uint8Array | Promise<Uint8Array>;
}

/** Codes what a topic says, once for all subscribers. Synchronous, for they all wait. */
export interface SharedCoder {
  /** From its beginning, what `encode` needs; a subscriber gets it once, before the first piece that needs it. At most 32 KiB. */
  readonly dictionary: { readonly coded: Uint8Array } | undefined;
  /** For `audience` readers, about; undefined: the group goes as it is. */
  encode(group: Uint8Array, audience: number): Uint8Array | undefined;
  /** What the topic said, in order, each once: a dictionary may be made of it. */
  said?(group: Uint8Array): void;
}

/** A group of publications that many links send. */
export interface SharedGroup {
  /** As it is. */
  readonly parts: readonly Uint8Array[];
  /** The same coded by the first coder of a link; undefined: not worth it. Asked by each link, coded once. */
  coded?(wireName: string): CodedGroup | undefined;
}
export interface CodedGroup {
  readonly parts: readonly Uint8Array[];
  readonly dictionary: SharedDictionary | undefined;
}
export interface SharedDictionary {
  /** From 1; the same for all links of a node. */
  readonly id: number;
  /** The frame that defines it. */
  readonly frame: Uint8Array;
}

/** Completes a station. */
export function batchStation(given: Omit<BatchStation, "code">): BatchStation {
  return { ...given, code: codeLink };
}
