// The contract of a generator target: a pure function from the channel model to files. A target never touches the disk; what
// is compared, written, kept and deleted is decided by the host.
import type { FileDescriptorSet } from "@bufbuild/protobuf/wkt";
import type { Part } from "@raceway/core";
import type { Model } from "./model/model.ts";

/** How imports between generated files end: `./room_pb.js`, `./room_pb.ts`, `./room_pb`. */
export type ImportExtension = "js" | "ts" | "none";

export interface Target extends Part {
  /** Once per run, and only for schemas without errors. The same input has to give the same bytes. */
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
  /** Import path of the schema file it is made from. */
  readonly source: string;
  /** Without the header, which the host adds. */
  readonly text: string;
}

/** "chat/v1/room.proto" and ".client" give "chat/v1/room.client.ts". */
export function outputPath(source: string, ending: string): string {
  return `${source.replace(/\.proto$/, "")}${ending}.ts`;
}
