// The options: one table gives types, defaults and checks.
import { type OptionsOf, type ResolvedOptions, resolveOptions } from "@raceway/core";

export const fileStoreOptions = {
  /** Path of the file; it is made. One process at a time. */
  file: { kind: "text", default: "raceway-store.json" },
} as const;

export type FileStoreOptions = OptionsOf<typeof fileStoreOptions>;
export type ResolvedFileStoreOptions = ResolvedOptions<typeof fileStoreOptions>;

export function resolveFileStoreOptions(given: FileStoreOptions): ResolvedFileStoreOptions {
  return resolveOptions("file-store", fileStoreOptions, given);
}
