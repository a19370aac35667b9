// Installs the workspace from the lockfile, with `--services` also what the tests need from the system; runs on a bare Node 20, before anything is installed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { findService, isRequired, missingMessage, serviceNames, services } from "./services.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const stamp = "node_modules/.lockfile-installed";
const lock = "node_modules/.installing";
const wanted = readFileSync("pnpm-lock.yaml", "utf8");

if (!isInstalled()) {
  mkdirSync("node_modules", { recursive: true });
  takeLock();
  try {
    if (!isInstalled()) install(); // another process may have done it while this one waited
  } finally {
    rmSync(lock, { force: true });
  }
}
if (process.argv.includes("--services")) installServices();

function isInstalled() {
  return existsSync(stamp) && readFileSync(stamp, "utf8") === wanted;
}

function install() {
  rmSync(stamp, { force: true });
  const pnpm = spawnSync("npx -y pnpm@12 install --frozen-lockfile", { stdio: "inherit", shell: true });
  if (pnpm.status !== 0) {
    rmSync(lock, { force: true });
    process.exit(pnpm.status ?? 1);
  }
  requireNode24();
  writeFileSync(stamp, wanted);
}

/** The workspace brings its own Node for Linux on x64 and arm64; elsewhere the system's has to be new enough to run TypeScript. */
function requireNode24() {
  if (existsSync("node_modules/.bin/node") || Number(process.versions.node.split(".")[0]) >= 24) return;
  console.error(
    `Raceway runs on Node 24 or newer; this is ${process.version}, and there is no packaged Node for ${process.platform} ${process.arch}. Install Node 24.`,
  );
  rmSync(lock, { force: true });
  process.exit(1);
}

/** One install at a time in one checkout: a file that holds the process id. Whoever finds the holder dead takes the lock over. */
function takeLock() {
  for (let told = false; ; told = true) {
    try {
      return writeFileSync(lock, String(process.pid), { flag: "wx" });
    } catch (error) {
      if (/** @type {NodeJS.ErrnoException} */ (error).code !== "EEXIST") throw error;
    }
    const holder = holderOf(lock);
    if (holder === "dead") {
      const aside = `${lock}.${process.pid}`;
      try {
        renameSync(lock, aside);
        // Between the look and the rename another finder may have taken the lock: then this is its lock, and goes back.
        if (holderOf(aside) === "dead") rmSync(aside);
        else renameSync(aside, lock);
      } catch {
        // Another finder was faster.
      }
    } else {
      if (!told) console.error(`Waiting for another install in this folder (process ${holder}).`);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    }
  }
}

/**
 * @param {string} file
 * @returns {string} the process id; "dead" for a lock left behind; "unknown" for one just being written or just released
 */
function holderOf(file) {
  try {
    const pid = readFileSync(file, "utf8");
    if (pid === "") return Date.now() - statSync(file).mtimeMs > 5000 ? "dead" : "unknown";
    process.kill(Number(pid), 0);
    return pid;
  } catch (error) {
    // ENOENT: released. EPERM: alive, and another user's.
    return /** @type {NodeJS.ErrnoException} */ (error).code === "ESRCH" ? "dead" : "unknown";
  }
}

/** Installs what is missing where that takes no question to anybody; else says what is left out. Fails only where RACEWAY_REQUIRE asks for it. */
function installServices() {
  const missing = serviceNames.filter((name) => findService(name) === undefined);
  const installable = missing.filter((name) => !process.env[services[name].variable]);
  if (
    installable.length > 0 &&
    process.platform === "linux" &&
    process.getuid?.() === 0 &&
    existsSync("/usr/bin/apt-get")
  ) {
    console.error(`Installing ${installable.join(", ")} for the tests.`);
    spawnSync("bash", ["tools/install-services.sh", ...installable.map((name) => services[name].debian)], {
      stdio: "inherit",
    });
  }
  for (const name of missing) {
    if (findService(name) !== undefined) continue;
    console.error(missingMessage(name));
    if (isRequired(name)) process.exitCode = 1;
  }
}
