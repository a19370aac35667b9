// The templates, by name: which there are, and their files.
import { existsSync } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { CreateFailure } from "./failure.ts";

/** Of applications, the default first. */
export const appTemplates = {
  both: "A page and its server, on one port",
  server: "A server",
  browser: "A page, for a server that is elsewhere",
} as const;
export type AppTemplate = keyof typeof appTemplates;

/** Of plugins, and the package that the template is written as. */
export const pluginKinds = {
  transport: "raceway-transport-unix",
  middleware: "raceway-middleware-api-key",
  backplane: "raceway-backplane-file",
  codec: "raceway-codec-cbor",
  target: "raceway-target-channels",
} as const;
export type PluginKind = keyof typeof pluginKinds;

export type TemplateName = AppTemplate | `plugin-${PluginKind}`;

/** From `src` and `dist` alike: in an installed package beside them, in the workspace at its root. */
const packed = join(import.meta.dirname, "../templates.json");
const workspace = join(import.meta.dirname, "../../../templates");
const made = /(^|[\\/])(node_modules|dist|gen)([\\/]|$)/;

/** A template's files, text by path with "/" between folders. */
export async function templateFiles(name: TemplateName): Promise<ReadonlyMap<string, string>> {
  if (existsSync(packed)) {
    const all = JSON.parse(await readFile(packed, "utf8")) as Readonly<
      Record<string, Readonly<Record<string, string>>>
    >;
    const files = all[name];
    if (files !== undefined) return new Map(Object.entries(files));
  }
  const root = join(workspace, name);
  if (!existsSync(root))
    throw new CreateFailure("tool", `The package create-raceway lacks the template ${name}. Install it again.`);
  const files = new Map<string, string>();
  for (const entry of await readdir(root, { recursive: true, withFileTypes: true })) {
    const path = relative(root, join(entry.parentPath, entry.name)).replaceAll("\\", "/");
    if (entry.isFile() && !made.test(path)) files.set(path, await readFile(join(root, path), "utf8"));
  }
  return files;
}
