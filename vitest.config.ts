import { existsSync } from "node:fs";
import { playwright } from "@vitest/browser-playwright";
import { defaultClientConditions, defaultServerConditions } from "vite";
import { defineConfig, type TestProjectInlineConfiguration as Project } from "vitest/config";

const source = "@raceway/source"; // tests run the sources, never `dist`
const page = { resolve: { conditions: [source, ...defaultClientConditions] } };
const server = { resolve: { conditions: [source, ...defaultServerConditions] } };
const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
const args = "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync".split(" ");
const node: Project = {
  extends: true,
  test: { name: "node", include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts"], exclude: ["**/*.browser.test.ts"] },
};
const browser: Project = {
  extends: true,
  test: {
    name: "browser",
    include: ["packages/*/src/**/*.browser.test.ts", "test/**/*.browser.test.ts"],
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: "chromium" }],
      provider: playwright({ launchOptions: { executablePath, args } }),
    },
  },
};
export default defineConfig({
  ...page,
  ssr: server,
  environments: { __vitest__: server }, // where `globalSetup` runs
  test: { projects: existsSync(executablePath) ? [node, browser] : [node] },
});
