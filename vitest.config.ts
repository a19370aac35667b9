// Vitest: the project `node` for all tests, the project `browser` for `*.browser.test.ts` in a page of the system's Chromium.
import { playwright } from "@vitest/browser-playwright";
import { defaultClientConditions, defaultServerConditions, type Plugin } from "vite";
import { defineConfig, type TestProjectInlineConfiguration as Project } from "vitest/config";
import { missingMessage, needService } from "./tools/services.mjs";

const source = "@raceway/source"; // tests run the sources, never `dist`
const page = { resolve: { conditions: [source, ...defaultClientConditions] } };
const server = { resolve: { conditions: [source, ...defaultServerConditions] } };
const args =
  "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync";
const pageTests = ["packages/*/src/**/*.browser.test.ts", "test/**/*.browser.test.ts"];
/** The Node servers that pages talk to. */
const pageServers = ["./tools/page-server.ts", "./test/app/page-lab.ts"];

const node: Project = {
  extends: true,
  test: {
    name: "node",
    include: ["packages/*/src/**/*.test.ts", "test/**/*.test.ts", "tools/**/*.test.ts"],
    exclude: ["**/node_modules/**", "**/*.browser.test.ts"],
  },
};

const inPage = (executablePath: string): Project => ({
  extends: true,
  test: {
    name: "browser",
    include: pageTests,
    globalSetup: pageServers,
    browser: {
      enabled: true,
      headless: true,
      screenshotFailures: false,
      instances: [{ browser: "chromium" }],
      provider: playwright({ launchOptions: { executablePath, args: args.split(" ") } }),
    },
  },
});

/** Without a browser each of its test files is reported as one skipped test: left out is not passed, and not out of sight. */
const leftOut = (reason: string): Project => ({
  extends: true,
  plugins: [
    {
      name: "left-out",
      enforce: "pre",
      transform: (_, id) =>
        id.endsWith(".browser.test.ts")
          ? `import { test } from "vitest"; test.skip(${JSON.stringify(reason)});`
          : undefined,
    } satisfies Plugin,
  ],
  test: { name: "browser", include: pageTests },
});

const chromium = needService("chromium"); // throws if RACEWAY_REQUIRE asks for it and it is missing

export default defineConfig({
  ...page,
  ssr: server,
  environments: { __vitest__: server }, // where `globalSetup` runs; without it that takes `dist`, and so perhaps old code
  test: {
    projects: [node, chromium === undefined ? leftOut(missingMessage("chromium")) : inPage(chromium)],
    testTimeout: 30_000, // what hangs fails; what is slow on a busy machine does not
    hookTimeout: 30_000,
    maxWorkers: "100%", // one core is left free otherwise, which is half of a small machine
    reporters: ["default", "./tools/totals-reporter.ts"],
    coverage: { provider: "v8", include: ["packages/*/src/**/*.ts"], exclude: ["**/gen/**", "**/*.test.ts"] },
  },
});
