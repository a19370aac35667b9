// Finding programs of the system: the variable wins, PATH is searched, and nothing is skipped where nothing may be.
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { findService, isRequired, missingMessage, needService, serviceNames } from "./services.mjs";

const folder = mkdtempSync(join(tmpdir(), "raceway-services-"));
afterAll(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, "bin/chromium"), { recursive: true }); // a folder is no program
mkdirSync(join(folder, "sbin"));
const program = join(folder, "sbin/chromium");
writeFileSync(program, "");
chmodSync(program, 0o755);
const notes = join(folder, "notes.txt");
writeFileSync(notes, "");
chmodSync(notes, 0o644);
const PATH = `${join(folder, "bin")}:${join(folder, "sbin")}`;

test("finds a program in PATH and passes over a folder of its name", () => {
  expect(findService("chromium", { PATH })).toBe(program);
});

test("takes the file that the variable names", () => {
  expect(findService("chromium", { PATH: "", CHROMIUM: program })).toBe(program);
});

test("does not fall back to PATH when the variable names no program", () => {
  expect(findService("chromium", { PATH, CHROMIUM: notes })).toBeUndefined();
});

test("lets a test skip what is missing, unless RACEWAY_REQUIRE forbids it", () => {
  const env = { CHROMIUM: "/nowhere" };
  expect(needService("chromium", env)).toBeUndefined();
  expect(needService("chromium", { ...env, RACEWAY_REQUIRE: "" })).toBeUndefined();
  expect(() => needService("chromium", { ...env, RACEWAY_REQUIRE: "all" })).toThrow(missingMessage("chromium", env));
  expect(() => needService("chromium", { ...env, RACEWAY_REQUIRE: "other,chromium" })).toThrow("chromium is missing");
  expect(isRequired("chromium", { RACEWAY_REQUIRE: "other" })).toBe(false);
});

test("says what is missing, what follows and what to do", () => {
  expect(missingMessage("chromium", { CHROMIUM: "/nowhere" })).toMatchInlineSnapshot(
    `"chromium is missing (CHROMIUM=/nowhere is no program); left out: tests in a browser page. Install it (Debian: apt-get install chromium) or set CHROMIUM=/path/to/chromium."`,
  );
  for (const name of serviceNames) expect(missingMessage(name, {})).toMatch(/left out: .+ Install it/);
});
