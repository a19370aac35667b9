// Names for client, server and testkit; a plugin that needs one shows that a contract lacks something.
export * from "./frame.ts";
