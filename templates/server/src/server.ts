// The server: sessions over all four transports, and gRPC, gRPC-web and Connect clients (`curl`, too) with `grpc()`.
import { type Raceway, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { chat } from "./chat.ts";

export function server(): Raceway {
  const app = raceway({
    transports: [websocket(), sse(), poll(), grpc()],
    allowedOrigins: ["http://localhost:5173"], // pages of other servers that may come: here, Vite's
    log: console, // why a handler failed is told here, and to nobody else
  });
  chat(app);
  return app;
}
