// The program: the server on port 8080, or PORT.
import { server } from "./server.ts";

const app = server();
const { url } = await app.listen(Number(process.env["PORT"] ?? 8080));
console.log(`listening on ${url}`);

// A restart that nobody notices: clients go elsewhere, or come back to the next process.
process.once("SIGTERM", () => void app.close({ drainMs: 5_000 }));
