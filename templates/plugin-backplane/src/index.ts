// Public names.
export type { FileStoreOptions } from "./options.ts";
export { fileStore } from "./store.ts";
