// The server, for `npm run dev` (vite.config.ts) and for production (main.ts) alike.
import { type Raceway, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { chat } from "./chat.ts";

/** Serves sessions over all four transports, and gRPC, gRPC-web and Connect clients (`curl`, too) with `grpc()`. */
export function server(): Raceway {
  const app = raceway({ transports: [websocket(), sse(), poll(), grpc()], log: console });
  chat(app);
  return app;
}
