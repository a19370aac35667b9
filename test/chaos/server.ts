// The server's process.
import type { ListenOptions } from "@raceway/server";
import { answerParent, load } from "./child.ts";
import { chaosServer } from "./service.ts";

const server = chaosServer();

answerParent({
  async listen(at: ListenOptions = {}): Promise<number> {
    const { port } = await server.app.listen({ port: 0, host: "127.0.0.1", ...at });
    return port;
  },
  async publish(topics: readonly string[], count: number, perSecond: number): Promise<void> {
    await Promise.all(topics.map((topic) => server.publish(topic, count, perSecond)));
  },
  sessions: (): number => server.app.sessions,
  load,
});
