// The server: sessions over all four transports, and gRPC, gRPC-web and Connect clients (`curl`, too) with `grpc()`.
import { raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { chat } from "./chat.ts";

const app = raceway({
  transports: [websocket(), sse(), poll(), grpc()],
  log: console, // why a handler failed is told here, and to nobody else
  allowedOrigins: ["http://localhost:5173"], // pages of other servers that may come: here, Vite's
});
chat(app);
const { url } = await app.listen(Number(process.env["PORT"] ?? 8080));
console.log(`listening on ${url}`);

// A restart that nobody notices: clients go elsewhere, or come back to the next process.
process.once("SIGTERM", () => void app.close({ drainMs: 5_000 }));
