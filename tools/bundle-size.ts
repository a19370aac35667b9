// `pnpm size`: what a browser downloads, each entry of tools/size bundled and compressed, as a table against its limit. Exits 1 above a limit.
// `pnpm size --modules` also says which modules `everything` is made of.
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "rolldown";

/**
 * Bytes after gzip, per entry of tools/size. The first is the budget for all that a page needs, a generated client included: what
 * @connectrpc/connect-web takes alone, 33.5 KB when esbuild bundles it (32.0 by Rolldown, for the same schema). The others leave room
 * below it for what they lack. That budget is not met yet: until it is, these numbers are where the code stands, so that it does not grow. Whoever raises one says why in the commit.
 */
const limits: Readonly<Record<string, number>> = {
  // The outbox, several servers, drain and the liveness of doubted links came to it, a choice of codecs, and versions of schemas,
  // which replies and events that cannot be read name, too (270 bytes), and what an outbox keeps is kept with (5). An address without a scheme is refused at once (65 bytes, in all of these).
  everything: 56_970,
  client: 39_305, // a message that a link cannot carry ends its call, and not each link anew (35 bytes, in all of these); versions that are the same wherever descriptors come from, that nobody else says, and that go with what waits to be read, and what it is that cannot be read (75 bytes, in all of these); what cannot be read is told with the versions of both ends (270 bytes, in all of these); servers are told of which version of a schema a client is, so that errors can name both (310 bytes); codecs are agreed on with the server, and calls written anew where it has another; a deadline over all attempts, and over the start of plugins; sessions that make what they need when they need it; a credential that comes with the link: a fresh one by a new link; what plugins find wrong with a channel
  websocket: 40_740, // a new session is told to plugins, and stars in their order; the hooks for coded batches and windows, headers of an attempt
  sse: 43_755, // the same
  poll: 42_420,
  "sign-in": 51_635, // websocket, and 10.8 KB for OAuth, most of it oauth4webapi; the client grew by 150 bytes under it
};

interface Size {
  readonly minified: number;
  readonly gzip: number;
  /** Bytes of each module before minification, the largest first. */
  readonly modules: readonly (readonly [path: string, bytes: number])[];
}

/** Bundles one entry as an application's build would. An import that is left over (a Node module, say) would break in a browser, so it throws. */
async function measure(entry: string): Promise<Size> {
  const warnings: string[] = [];
  const { output } = await build({
    input: fileURLToPath(new URL(`./size/${entry}.ts`, import.meta.url)),
    write: false,
    platform: "browser",
    resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
    output: { format: "esm", minify: true, codeSplitting: false },
    onLog(level, log) {
      if (level === "warn") warnings.push(stripVTControlCharacters(log.message));
    },
  });
  if (warnings.length > 0) throw new Error(warnings.join("\n"));
  const [chunk] = output;
  const outside = [...chunk.imports, ...chunk.dynamicImports];
  if (outside.length > 0) throw new Error(`the bundle imports ${outside.join(", ")}`);
  const code = Buffer.from(chunk.code);
  const modules = Object.entries(chunk.modules)
    .map(([path, { renderedLength }]) => [relative(".", path).replace(/.*node_modules\//, ""), renderedLength] as const)
    .toSorted(([, a], [, b]) => b - a);
  return { minified: code.byteLength, gzip: gzipSync(code, { level: 9 }).byteLength, modules };
}

const listModules = process.argv.includes("--modules");
const columns = (entry: string, ...rest: readonly string[]): string =>
  [entry.padEnd(12), ...rest.map((text) => text.padStart(9))].join(" ");

console.log(columns("entry", "minified", "gzip", "limit", "left"));
for (const [entry, limit] of Object.entries(limits)) {
  try {
    const { minified, gzip, modules } = await measure(entry);
    console.log(columns(entry, ...[minified, gzip, limit, limit - gzip].map((bytes) => bytes.toLocaleString("en"))));
    if (listModules && entry === "everything") {
      for (const [path, bytes] of modules) console.log(`  ${bytes.toLocaleString("en").padStart(7)} ${path}`);
    }
    if (gzip > limit) {
      console.error(
        `${entry}: ${gzip} bytes exceed the limit of ${limit} in tools/bundle-size.ts. Make it smaller, or raise the limit with a reason.`,
      );
      process.exitCode = 1;
    }
  } catch (error) {
    console.error(`${entry}: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
}
