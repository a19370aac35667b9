// `npm run dev`: Vite's pages and the server on one port. Whoever changes the server's code, gets a new one.
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
        httpServer.once("close", () => void app.close(0));
      },
    },
  ],
});
