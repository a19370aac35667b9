// What the cases of codecs are run on.
import type { Codec } from "@raceway/core";

export interface CodecSubject {
  /** Makes the codec anew, as a server's or client's configuration does. */
  codec(): Codec;
  /** What becomes of fields that this end's schema does not have: do they survive being read and written again, as in protobuf's binary form, or not, as in JSON? */
  readonly unknownFields: "kept" | "passed over";
  /**
   * Payloads as somebody would write them who means harm, for the message `raceway.testkit.v1.CodecTree`: deep, with lengths and counts that lie, cut off, of the wrong kind.
   * Each has to be refused. The kit has some of its own; only you know your format's.
   */
  hostile?(): Iterable<Uint8Array>;
  /** How long messages of a MiB, and what means harm, may take, in milliseconds: a hundred times as long as they should. Default 5,000. */
  readonly patienceMs?: number;
}
