// `npm run dev` and `npm run build`. What is changed in the schema meanwhile is in the types at once.
import { spawn } from "node:child_process";
import { defineConfig } from "vite";

export default defineConfig({
  build: { target: "es2024" },
  plugins: [
    {
      name: "raceway",
      configureServer({ httpServer }) {
        const schemas = spawn("raceway", ["generate", "--watch"], {
          stdio: "inherit",
          shell: process.platform === "win32",
        });
        httpServer?.once("close", () => schemas.kill());
      },
    },
  ],
});
