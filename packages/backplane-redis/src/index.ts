// Public names of @raceway/backplane-redis: the store. Log and bus come with the rest of the backplane.
export type { RedisStoreOptions } from "./options.ts";
export { redisStore } from "./store.ts";
