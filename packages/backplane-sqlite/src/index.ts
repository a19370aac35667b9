// Public names of @raceway/backplane-sqlite: the store. Log and bus come with the rest of the backplane.
export type { SqliteStoreOptions } from "./options.ts";
export { sqliteStore } from "./store.ts";
