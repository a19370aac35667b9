// What the tests need from the system beside Node: one list, and where each thing is on this machine.
// Plain JavaScript for Node 20, because tools/install.mjs asks before anything is installed.
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/**
 * @typedef {object} Service
 * @property {readonly string[]} commands Names to look for, the preferred one first.
 * @property {string} variable The environment variable that names the file outright, and then wins.
 * @property {string} debian The package that brings it, on Debian.
 * @property {string} neededFor What is left out without it; completes "left out: …".
 */

/** Add a program here and nowhere else: the installer, the Vitest configuration and the tests read this list. */
export const services = {
  chromium: {
    commands: ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
    variable: "CHROMIUM",
    debian: "chromium",
    neededFor: "tests in a browser page",
  },
  redis: {
    commands: ["redis-server"],
    variable: "REDIS_SERVER",
    debian: "redis-server",
    neededFor: "tests of the Redis store",
  },
  nginx: {
    commands: ["nginx"],
    variable: "NGINX",
    debian: "nginx-light",
    neededFor: "tests of a caching proxy in front",
  },
  zsh: { commands: ["zsh"], variable: "ZSH", debian: "zsh", neededFor: "a test of completion in zsh" },
  fish: { commands: ["fish"], variable: "FISH", debian: "fish", neededFor: "a test of completion in fish" },
};

/** @typedef {keyof typeof services} ServiceName */

/** @type {readonly ServiceName[]} */
export const serviceNames = /** @type {ServiceName[]} */ (Object.keys(services));

/**
 * The program's file, or undefined. A variable that names no program counts as missing: a slip in it must not pass unseen.
 * @param {ServiceName} name
 * @param {Readonly<Record<string, string | undefined>>} [env]
 * @returns {string | undefined}
 */
export function findService(name, env = process.env) {
  const service = services[name];
  const given = env[service.variable];
  if (given) return isProgram(given) ? given : undefined;
  // Daemons live in /usr/sbin on Debian, which is not in everybody's PATH.
  const folders = [...(env["PATH"] ?? "").split(delimiter), "/usr/sbin"].filter(Boolean);
  return service.commands.flatMap((command) => folders.map((folder) => join(folder, command))).find(isProgram);
}

/**
 * Where a test asks for a program: its file, or undefined, and then the test is to be reported as skipped
 * (`describe.skipIf(chromium === undefined)`). Throws where RACEWAY_REQUIRE says that nothing may be skipped.
 * @param {ServiceName} name
 * @param {Readonly<Record<string, string | undefined>>} [env]
 * @returns {string | undefined}
 */
export function needService(name, env = process.env) {
  const file = findService(name, env);
  if (file === undefined && isRequired(name, env)) throw new Error(missingMessage(name, env));
  return file;
}

/**
 * RACEWAY_REQUIRE is "all" or names with commas between.
 * @param {ServiceName} name
 * @param {Readonly<Record<string, string | undefined>>} [env]
 * @returns {boolean}
 */
export function isRequired(name, env = process.env) {
  const required = (env["RACEWAY_REQUIRE"] ?? "").split(",");
  return required.includes("all") || required.includes(name);
}

/**
 * What is missing, what follows, what to do.
 * @param {ServiceName} name
 * @param {Readonly<Record<string, string | undefined>>} [env]
 * @returns {string}
 */
export function missingMessage(name, env = process.env) {
  const { commands, debian, neededFor, variable } = services[name];
  const given = env[variable];
  const what = given ? `${variable}=${given} is no program` : `none of ${commands.join(", ")} is in PATH`;
  return `${name} is missing (${what}); left out: ${neededFor}. Install it (Debian: apt-get install ${debian}) or set ${variable}=/path/to/${commands[0]}.`;
}

/** @param {string} file */
function isProgram(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}
