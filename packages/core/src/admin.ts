// `raceway.v1.Admin`, the service that runs a server from outside: its descriptor and messages, for who serves it and for who calls it.
import type { ServiceContract } from "./channel.ts";
import { Admin } from "./gen/admin/raceway/v1/admin_pb.ts";

export * from "./gen/admin/raceway/v1/admin_pb.ts";

/** Its channels. To call them: `createClient(Admin, connection)`, with Connect's function. */
export const adminContract: ServiceContract<typeof Admin> = {
  service: Admin,
  channels: {
    publish: { kind: "call", idempotency: "idempotent" },
    listSessions: { kind: "call", idempotency: "no-side-effects" },
    listTopics: { kind: "call", idempotency: "no-side-effects" },
    count: { kind: "call", idempotency: "no-side-effects" },
    disconnect: { kind: "call", idempotency: "idempotent" },
    unsubscribe: { kind: "call", idempotency: "idempotent" },
  },
};
