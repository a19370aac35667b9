// A server and a connection for `raceway inspect` to look at.
import type { ConnectOptions } from "@raceway/client";
import { type Plugin, definePlugin, memoryTransport } from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { compression } from "@raceway/middleware/compression";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { limits } from "@raceway/middleware/limits";
import { rbac } from "@raceway/middleware/rbac";
import { type Raceway, raceway } from "@raceway/server";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "./stage.ts";

const memory = memoryTransport();
const never = { after: () => ({ [Symbol.dispose]() {} }) };

/** Says something of channels that stream up. */
const picky: Plugin = definePlugin({
  name: "picky",
  check: ({ contract, desc }) =>
    contract.kind === "signal"
      ? [{ severity: "warning", message: `${desc.name} is not looked at`, mend: "make it a call" }]
      : [],
  start: () => ({ call: ({ contract }) => (contract.kind === "call" ? (next) => next : undefined) }),
});

export const app: Raceway = raceway({
  transports: [memory.server],
  use: [compression(), batching({ windowMs: 5 }), rbac(), picky, limits(), ipFilter({ allow: ["127.0.0.1"] }), names],
});
app.serve(
  {
    ...labService,
    policy: {
      echo: { auth: { require: { scopes: ["say"] } }, maxConcurrent: 2 },
      ticks: { auth: { require: { roles: ["member"] } }, maxSubscribers: 9 },
    },
  },
  handlers([], never),
);

/** Its policy wants what no plugin keeps. */
export const careless: Raceway = raceway({ transports: [memory.server], use: [] });
careless.serve({ ...labService, policy: { add: { audit: "sums" } } }, handlers([], never));

export const connection: ConnectOptions = {
  transports: [memory.client],
  use: [
    definePlugin({ name: "shows", start: () => ({ introduce: () => {} }) }),
    definePlugin({
      name: "retry",
      start: () => ({ call: ({ contract }) => (contract.idempotency ? (next) => next : undefined) }),
    }),
  ],
};
export const definition: typeof labService = labService;
