// `pnpm size`: what a browser downloads, each entry of tools/size bundled and compressed, as a table against its limit. Exits 1 above a limit.
import { fileURLToPath } from "node:url";
import { stripVTControlCharacters } from "node:util";
import { gzipSync } from "node:zlib";

import { build } from "rolldown";

/**
 * Bytes after gzip, per entry of tools/size. The first is the promise to users: everything, with a generated client, is smaller than
 * @connectrpc/connect-web alone (33.5 KB, measured the same way). The others sit a little above what was measured, so that growth is
 * a decision: whoever raises one says why in the commit.
 */
const limits: Readonly<Record<string, number>> = {
  everything: 33_500,
  client: 29_000,
  websocket: 6_000,
  sse: 7_000,
  poll: 7_000,
};

interface Size {
  readonly minified: number;
  readonly gzip: number;
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
  return { minified: code.byteLength, gzip: gzipSync(code, { level: 9 }).byteLength };
}

const columns = (entry: string, ...rest: readonly string[]): string =>
  [entry.padEnd(12), ...rest.map((text) => text.padStart(9))].join(" ");

console.log(columns("entry", "minified", "gzip", "limit", "left"));
for (const [entry, limit] of Object.entries(limits)) {
  try {
    const { minified, gzip } = await measure(entry);
    console.log(columns(entry, ...[minified, gzip, limit, limit - gzip].map((bytes) => bytes.toLocaleString("en"))));
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
