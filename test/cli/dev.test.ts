// `raceway dev`: generates, runs the server, and starts it anew after changes, drained or ended.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { expect, test, vi } from "vitest";
import { racewayCommand, RunningCommand } from "./raceway.ts";

// Each starts processes, which takes its time on a busy machine.
vi.setConfig({ testTimeout: 120_000 });

class Project implements AsyncDisposable {
  readonly path: string = mkdtempSync(join(tmpdir(), "raceway-dev-"));
  readonly #commands: RunningCommand[] = [];

  constructor(files: Readonly<Record<string, string>>) {
    this.write(files);
  }

  write(files: Readonly<Record<string, string>>): void {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(dirname(join(this.path, name)), { recursive: true });
      writeFileSync(join(this.path, name), text);
    }
  }

  dev(...args: readonly string[]): RunningCommand {
    const command = new RunningCommand(["dev", ...args], { cwd: this.path });
    this.#commands.push(command);
    return command;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const command of this.#commands) {
      command.child.kill("SIGTERM");
      await command.end();
    }
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** A server that says its name, its arguments and what was generated, and drains. */
const server = (name: string): string => `import { existsSync, readFileSync } from "node:fs";
const code = existsSync("gen/a_pb.ts") ? readFileSync("gen/a_pb.ts", "utf8") : "";
console.log("up ${name}", process.argv.slice(2).join(" "), /  (\\w+): string;/.exec(code)?.[1] ?? "nothing", "pid", process.pid);
process.on("SIGTERM", () => { console.log("drained ${name}"); process.exit(0); });
setInterval(() => undefined, 1000);
`;
const schema = (field: string): string => `syntax = "proto3"; message M { string ${field} = 1; }`;
const config = 'export default { generate: [{ inputs: ["proto"], out: "gen", targets: ["es"] }] };';

test("starts after generating, and again after edits of schemas and sources", async () => {
  await using project = new Project({
    "src/server.mjs": server("one"),
    "proto/a.proto": schema("first"),
    "raceway.config.mjs": config,
  });
  const command = project.dev("src/server.mjs", "--watch", "src", "--watch", "gen", "--", "--port", "1");
  await command.said("up one --port 1 first");
  project.write({ "src/server.mjs": server("two") });
  await command.said("drained one");
  await command.said("up two --port 1 first");
  project.write({ "proto/a.proto": schema("second") });
  await command.said("drained two");
  await command.said("up two --port 1 second");
  // What has errors is told, and the last server goes on.
  project.write({ "proto/a.proto": schema("x").replace("string", "strin") });
  await command.said("name_unknown");
  expect(command.out.split("drained two")).toHaveLength(2);

  const pid = Number(/up two .*second pid (\d+)/.exec(command.out)![1]);
  command.child.kill("SIGINT");
  expect((await command.end()).code).toBe(0);
  expect(() => process.kill(pid, 0)).toThrow("ESRCH");
});

test("a server that does not drain is ended; one that ends by itself is started after the next change", async () => {
  const stubborn = `console.log("up stubborn"); process.on("SIGTERM", () => undefined); setInterval(() => undefined, 1000);`;
  await using project = new Project({ "server.mjs": stubborn });
  const command = project.dev("server.mjs", "--grace", "0.2", "--json");
  await command.said("up stubborn");
  project.write({ "server.mjs": 'console.log("up short"); process.exitCode = 7;' });
  await command.said('{"event":"killed"}');
  await command.said("up short");
  await command.said('{"event":"ended","code":7,"signal":null}');
  project.write({ "server.mjs": server("well") });
  await command.said("up well");
  const events = command.out.trimEnd().split("\n");
  expect(events.map((line) => (JSON.parse(line) as { readonly event: string }).event)).toContain("killed"); // JSON, all of it
  for (const name of ["stubborn", "short", "well"]) expect(command.err).toContain(`up ${name}`);
});

test("what cannot be run is told", async () => {
  const { code, err } = await racewayCommand(["dev", "nope.ts"]);
  expect({ code, err }).toEqual({
    code: 2,
    err: "raceway: There is no file nope.ts. Name the one that starts the server.\nSee raceway dev --help.\n",
  });
});
