// `npm run dev` and `npm run build`.
import { defineConfig } from "vite";

export default defineConfig({ build: { target: "es2024" } });
