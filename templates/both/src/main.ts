// Production: `npm run build`, then `npm start`. The page in dist/ and the server, on one port.
import { readdir, readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, relative } from "node:path";
import { server } from "./server.ts";

const types: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".css": "text/css",
  ".svg": "image/svg+xml",
};
const dist = join(import.meta.dirname, "../dist");

// Read once: what is served is what was there at the start, and no path leads elsewhere.
const files = new Map<string, Buffer>();
for (const entry of await readdir(dist, { recursive: true, withFileTypes: true })) {
  const file = join(entry.parentPath, entry.name);
  if (entry.isFile()) files.set(`/${relative(dist, file).replaceAll("\\", "/")}`, await readFile(file));
}

const http = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? "/", "http://localhost");
  const path = pathname === "/" ? "/index.html" : pathname;
  const file = files.get(path);
  if (file === undefined) response.writeHead(404).end();
  else response.writeHead(200, { "content-type": types[extname(path)] ?? "application/octet-stream" }).end(file);
});
const app = server();
await app.attach(http);
const port = Number(process.env["PORT"] ?? 8080);
http.listen(port, () => console.log(`listening on http://localhost:${(http.address() as { port: number }).port}`));

process.once("SIGTERM", () => {
  http.close();
  void app.close({ drainMs: 5_000 }).then(() => process.exit());
});
