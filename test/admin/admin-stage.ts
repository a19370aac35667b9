// A server that is run from outside: the lab service and `raceway.v1.Admin`, and an operator who comes by a way of his choice.
import { type Client, createClient } from "@connectrpc/connect";
import { Admin } from "@raceway/core/admin";
import { rbac } from "@raceway/middleware/rbac";
import { serveAdmin } from "@raceway/server/admin";
import { type Stage, type WayName, names, stage } from "../middleware/stage.ts";

export type Operator = Client<typeof Admin>;

const address = "boards/tea/ticks";

/** One use of each method, on somebody or something that is not there. */
export const uses: Readonly<Record<keyof Operator, (admin: Operator) => Promise<unknown>>> = {
  publish: (admin) => admin.publish({ address, event: { case: "binary", value: new Uint8Array(0) } }),
  listSessions: (admin) => admin.listSessions({}),
  listTopics: (admin) => admin.listTopics({}),
  count: (admin) => admin.count({}),
  disconnect: (admin) => admin.disconnect({ whom: { case: "principal", value: "ann" } }),
  unsubscribe: (admin) => admin.unsubscribe({ whom: { case: "principal", value: "ann" }, address }),
};

export interface AdminStage extends Stage {
  operator(way?: WayName, credential?: string): Operator;
  /** Resolves when so many subscriptions to the address are there. */
  subscribed(address: string, count: number): Promise<void>;
}

export async function adminStage(options: Partial<Parameters<typeof stage>[0]> = {}): Promise<AdminStage> {
  const it = await stage({
    use: [names, rbac({ default: "public" })],
    ...options,
    also(app) {
      serveAdmin(app, { auth: { require: { roles: ["operator"] } } });
      options.also?.(app);
    },
  });
  const operator = (way: WayName = "memory", credential = "root #operator"): Operator =>
    createClient(Admin, it.transport(way, credential));
  const own = operator();
  return {
    ...it,
    operator,
    async subscribed(address, count) {
      for (;;) {
        const { topics } = await own.listTopics({ prefix: address });
        const subscribers = topics.find((topic) => topic.address === address)?.subscribers ?? 0;
        if (subscribers === count) return;
        await new Promise((resolve) => void setTimeout(resolve, 1));
      }
    },
  };
}
