// A server that reflects, for tools of others: three services, and who comes is told by a token, "NAME #ROLE".
import { rbac } from "@raceway/middleware/rbac";
import { type Raceway, raceway } from "@raceway/server";
import { type ReflectionOptions, serveReflection } from "@raceway/server/reflection";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { websocket } from "@raceway/transport-websocket/server";
import { handlers } from "../app/lab.ts";
import { roomService } from "../gen/chat/v1/room.server.ts";
import { clubService } from "../gen/club/v1/club.server.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "../middleware/stage.ts";

export interface ReflectedWorld extends AsyncDisposable {
  readonly app: Raceway;
  readonly url: string;
}

export async function reflectedWorld(options: ReflectionOptions): Promise<ReflectedWorld> {
  const app = raceway({ transports: [websocket(), grpc()], use: [names, rbac({ default: "public" })] });
  serveReflection(app, options);
  app.serve(labService, handlers([], virtualClock()));
  app.serve(roomService, { say: () => ({ offset: 7 }) });
  const refuse = (): never => {
    throw new Error("not asked here");
  };
  app.serve(clubService, {
    join: refuse,
    joinOnce: refuse,
    watch: refuse,
    joinAll: refuse,
    talk: refuse,
    knock: refuse,
    leave: refuse,
  });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  return { app, url, [Symbol.asyncDispose]: () => app.close(0) };
}
