// The server's process.
import { sqliteStore } from "@raceway/backplane-sqlite";
import type { LimitOptions } from "@raceway/core";
import { memory } from "@raceway/server";
import { answerParent, load } from "./child.ts";
import { type ChaosServer, chaosServer } from "./service.ts";

export interface ServerSetup {
  /** Default: any free one. */
  readonly port?: number;
  readonly limits?: LimitOptions;
  /** File of a store that outlives the process. */
  readonly store?: string;
}

let server: ChaosServer;

answerParent({
  /** Gives the port. */
  async listen({ port = 0, limits = {}, store }: ServerSetup = {}): Promise<number> {
    server = chaosServer({
      limits,
      ...(store !== undefined && { backplane: memory({ store: sqliteStore({ file: store }) }) }),
    });
    return (await server.app.listen({ port, host: "127.0.0.1" })).port;
  },
  async publish(topics: readonly string[], count: number, perSecond: number): Promise<void> {
    await Promise.all(topics.map((topic) => server.publish(topic, count, perSecond)));
  },
  load,
});
