// The page: bundled from its TypeScript sources when the demo starts, and served from memory. Nothing comes from elsewhere.
import { readFileSync } from "node:fs";
import type { RequestListener } from "node:http";
import { fileURLToPath } from "node:url";
import { build } from "rolldown";

interface PageFile {
  readonly type: string;
  readonly body: Buffer;
}

const PAGE = new URL("../page/", import.meta.url);
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'";

/** Bundles, and returns who answers requests for the page. */
export async function pageFiles(): Promise<RequestListener> {
  const files: Readonly<Record<string, PageFile>> = {
    "/": file("text/html", new URL("index.html", PAGE)),
    "/page.css": {
      type: "text/css",
      body: Buffer.concat([
        readFileSync(new URL("uPlot.min.css", import.meta.resolve("uplot"))),
        readFileSync(new URL("page.css", PAGE)),
      ]),
    },
    "/page.js": { type: "text/javascript", body: Buffer.from(await bundle(new URL("main.ts", PAGE))) },
    "/inter.woff2": file(
      "font/woff2",
      new URL(import.meta.resolve("@fontsource-variable/inter/files/inter-latin-wght-normal.woff2")),
    ),
  };
  return (request, response) => {
    const found = Object.hasOwn(files, request.url ?? "") ? files[request.url!] : undefined;
    if (found === undefined || (request.method !== "GET" && request.method !== "HEAD")) {
      response
        .writeHead(found === undefined ? 404 : 405, { "content-type": "text/plain" })
        .end("There is only the page at /.\n");
      return;
    }
    const { type, body } = found;
    response
      .writeHead(200, {
        "content-type": type === "font/woff2" ? type : `${type}; charset=utf-8`,
        "content-length": body.byteLength,
        "cache-control": "no-cache",
        "content-security-policy": POLICY,
        "x-content-type-options": "nosniff",
      })
      .end(body);
  };
}

function file(type: string, url: URL): PageFile {
  return { type, body: readFileSync(url) };
}

async function bundle(entry: URL): Promise<string> {
  const { output } = await build({
    input: fileURLToPath(entry),
    write: false,
    platform: "browser",
    resolve: { conditionNames: ["@raceway/source", "browser", "import", "default"] },
    output: { format: "esm", minify: true, codeSplitting: false },
  });
  return output[0].code;
}
