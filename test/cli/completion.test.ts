// Scripts of completion are read by the shells that they are for.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { missingMessage, needService } from "../../tools/services.mjs";

const raceway = fileURLToPath(import.meta.resolve("@raceway/cli/package.json").replace("package.json", "src/main.ts"));
const shells = [
  ["bash", "bash", ""],
  ["zsh", needService("zsh"), missingMessage("zsh")],
  ["fish", needService("fish"), missingMessage("fish")],
] as const;

describe.each(shells)("%s", (shell, program, missing) => {
  it.skipIf(program === undefined)(`can read it${program === undefined ? `: ${missing}` : ""}`, () => {
    const args = ["-C", "@raceway/source", raceway, "completion"];
    const { stdout } = spawnSync(process.execPath, args, {
      encoding: "utf8",
      env: { ...process.env, SHELL: `/bin/${shell}` },
    });
    expect(stdout).toContain(`Completion of raceway in ${shell}`);
    const file = join(mkdtempSync(join(tmpdir(), "raceway-completion-")), shell);
    writeFileSync(file, stdout); // fish reads no script from a socket, which is what a child's input is
    const { status, stderr } = spawnSync(program!, ["-n", file], { encoding: "utf8" });
    rmSync(dirname(file), { recursive: true });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });
});
