// This plugin as a subject of the compliance kit: for `npm test`, and for `raceway plugin test ./dist/subject.js`.
import { Code } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { raceway } from "@raceway/server";
import { kitChannels, type PluginSubject } from "@raceway/testkit";
import { apiKey as showsKey } from "./client.ts";
import { database } from "./sample-keys.ts";
import { apiKey } from "./server.ts";

export const subject: PluginSubject = {
  raceway,
  connect,
  name: "api-key",
  server: () => [apiKey({ find: (digest) => database.get(digest) })],
  visitor: { credential: "ann writes" },
  absentFrom: ["look", "count"], // reading
  refusals: [
    {
      what: "a stranger",
      of: kitChannels,
      code: Code.Unauthenticated,
      reason: "credential_invalid",
      visitor: { credential: "open sesame" },
    },
    { what: "who shows nothing", of: kitChannels, code: Code.Unauthenticated, visitor: {} },
    {
      what: "changes by a key for reading",
      of: ["echo", "save", "sum", "talk", "post"],
      code: Code.PermissionDenied,
      visitor: { credential: "bob reads" },
    },
    {
      what: "topics by a key that is not for them",
      of: ["news"],
      code: Code.PermissionDenied,
      visitor: { credential: "cid has boards" },
    },
  ],
};

/** Both halves together. */
export const bothHalves: PluginSubject = {
  raceway,
  connect,
  name: "api-key, shown by the client's half",
  server: () => [apiKey({ find: async (digest) => database.get(digest), rememberMs: 0 })],
  client: () => [showsKey(async () => "ann writes")],
  visitor: { credential: "ann writes" }, // at the native door, where there is no client's half
};
