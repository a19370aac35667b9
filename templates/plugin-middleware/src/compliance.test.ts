// The compliance kit on this plugin: what it owes to calls, to those whom it refuses and to its host, by sessions and by a native door.
import { Code } from "@connectrpc/connect";
import { connect } from "@raceway/client";
import { raceway } from "@raceway/server";
import { kitChannels } from "@raceway/testkit";
import { describePlugin } from "@raceway/testkit/vitest";
import { apiKey as showsKey } from "./client.ts";
import { database } from "./sample-keys.ts";
import { apiKey } from "./server.ts";

describePlugin({
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
});

// Both halves together.
describePlugin({
  raceway,
  connect,
  name: "api-key, shown by the client's half",
  server: () => [apiKey({ find: async (digest) => database.get(digest), rememberMs: 0 })],
  client: () => [showsKey(async () => "ann writes")],
  visitor: { credential: "ann writes" }, // at the native door, where there is no client's half
});
