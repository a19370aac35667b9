#!/usr/bin/env node
// The executable `create-raceway`, which `npm create raceway` runs.
import { parseArgs, styleText } from "node:util";
import { ask } from "./ask.ts";
import { CreateFailure } from "./failure.ts";
import { install, nextSteps, packageManagerOf } from "./package-manager.ts";
import { createProject } from "./project.ts";
import { type AppTemplate, appTemplates } from "./templates.ts";

/** Projects run their TypeScript unbuilt. */
const LEAST_NODE = 24;

const usage = `npm create raceway@latest [folder] -- [options]

Makes a project with a schema, handlers, a client and a test, and installs it.

Options:
      --template    ${Object.entries(appTemplates)
        .map(([name, what]) => `${name}: ${what}`)
        .join("\n                    ")}
      --name        Name of the package; default: the folder's
  -y, --yes         Ask nothing: what is not said is raceway-app, and ${Object.keys(appTemplates)[0]}
      --no-install  Write the files only
  -h, --help        Show help
`;

try {
  await main();
} catch (error) {
  const wrongUse = isWrongUse(error);
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${wrongUse ? "See --help.\n" : ""}`);
  process.exitCode = wrongUse ? 2 : 3;
}

async function main(): Promise<void> {
  const [major] = process.versions.node.split(".");
  if (Number(major) < LEAST_NODE)
    throw new CreateFailure(
      "tool",
      `Raceway runs on Node ${LEAST_NODE} or newer; this is ${process.version}. Install it, and try again.`,
    );
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    allowNegative: true,
    options: {
      template: { type: "string" },
      name: { type: "string" },
      yes: { type: "boolean", short: "y", default: false },
      install: { type: "boolean", default: true },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return void process.stdout.write(usage);
  if (positionals.length > 1)
    throw new CreateFailure("usage", `One folder, not ${positionals.length}: ${positionals.join(", ")}.`);
  const template = values.template;
  if (template !== undefined && !isTemplate(template))
    throw new CreateFailure(
      "usage",
      `There is no template ${template}; there are ${Object.keys(appTemplates).join(", ")}.`,
    );
  const wanted = { folder: positionals[0], template };
  const silent = values.yes || !process.stdin.isTTY || !process.stdout.isTTY;
  const asked = silent ? { folder: wanted.folder ?? "raceway-app", template: template ?? "both" } : await ask(wanted);
  if (asked === undefined) {
    process.exitCode = 130; // called off by Ctrl-C
    return;
  }
  const cwd = process.cwd();
  const created = await createProject({ ...asked, cwd, name: values.name });
  const manager = packageManagerOf(process.env);
  process.stdout.write(`${created.name}: ${created.files.length} files in ${created.folder}\n`);
  if (values.install) await install(manager, created.folder, false);
  const next = nextSteps(manager, created, { cwd, installed: values.install, script: "dev" });
  process.stdout.write(`\nNext:\n${next.map((line) => `  ${styleText("cyan", line)}\n`).join("")}`);
}

function isTemplate(name: string): name is AppTemplate {
  return Object.hasOwn(appTemplates, name);
}

function isWrongUse(error: unknown): boolean {
  if (error instanceof CreateFailure) return error.kind === "usage";
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return code.startsWith("ERR_PARSE_ARGS");
}
