// The contract of a generator target: a pure function from the channel model to files. A target never touches the disk; what
// is compared, written, kept and deleted is decided by the host.
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { Part } from "./part.ts";
import type { Model } from "./schema-model.ts";

export * from "./schema-model.ts";

/** How imports between generated files end: `./room_pb.js`, `./room_pb.ts`, `./room_pb`. */
export type ImportExtension = "js" | "ts" | "none";

export interface Target extends Part {
  /**
   * What it writes for a schema file (with that as `source`) follows from that file and what it imports alone, so that after an edit it
   * may be run for a part of the files, with a model of that part. Unless said: it may look at all files, and waits for all.
   */
  readonly perFile?: boolean;
  /**
   * Once per run, and only for schemas without errors. The same input has to give the same bytes: no clock, chance, environment
   * or path of the machine. What it throws ends the run, and nothing is written.
   */
  generate(model: Model, context: TargetContext): Iterable<OutputFile> | Promise<Iterable<OutputFile>>;
}

export interface TargetContext {
  readonly importExtension: ImportExtension;
  /** All files of the model and what they import, without any option that clients may not see. */
  readonly descriptors: FileDescriptorSet;
}

export interface OutputFile {
  /** Relative to the output folder, divided by "/". */
  readonly path: string;
  /** Import path of the schema file it is made from; of several, the first. */
  readonly source: string;
  /** Without the header, which the host adds where the kind of file, by its ending, has comments. Lines end in "\n". */
  readonly text: string;
}
