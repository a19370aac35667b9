// `npm run dev`: Vite's pages and the server on one port. Whoever changes the server's code or a schema, gets a new server; pages go on by themselves.
import { spawn } from "node:child_process";
import { defineConfig } from "vite";
import { server } from "./src/server.ts";

export default defineConfig({
  build: { target: "es2024" },
  plugins: [
    {
      name: "raceway",
      async configureServer({ httpServer }) {
        if (httpServer === null) return;
        const app = server();
        await app.attach(httpServer);
        const schemas = spawn("raceway", ["generate", "--watch"], {
          stdio: "inherit",
          shell: process.platform === "win32",
        });
        httpServer.once("close", () => {
          schemas.kill();
          void app.close(0);
        });
      },
    },
  ],
});
