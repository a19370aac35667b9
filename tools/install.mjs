// Installs the workspace from the lockfile, and with `--services` what the tests need from the system. Runs on any Node from 18 on, before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";

const stamp = "node_modules/.lockfile-installed";
const wanted = readFileSync("pnpm-lock.yaml", "utf8");
if (!existsSync(stamp) || readFileSync(stamp, "utf8") !== wanted) {
  const pnpm = spawnSync("npx -y pnpm@12 install --frozen-lockfile", { stdio: "inherit", shell: true });
  if (pnpm.status !== 0) process.exit(pnpm.status ?? 1);
  writeFileSync(stamp, wanted);
}
