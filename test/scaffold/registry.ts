// An npm registry of this workspace: its own packages as they would be published, and what it was installed with. So a test installs as a user does, without a network.
import { execFile } from "node:child_process";
import { createReadStream } from "node:fs";
import { mkdtemp, readdir, readFile, rm, stat } from "node:fs/promises";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";

const root = fileURLToPath(new URL("../..", import.meta.url));
const run = promisify(execFile);

export interface Registry extends AsyncDisposable {
  /** Base URL, without a slash at its end. */
  readonly url: string;
  /** Path of pnpm, to install from here without asking npx for it each time. */
  readonly pnpm: string;
  /** Seconds that building and packing this workspace's packages took. */
  readonly packSeconds: number;
}

interface Manifest {
  readonly name: string;
  readonly version: string;
}
/** One version of a package, and where its files are: in a packed file, or in a folder of pnpm's. */
interface Version {
  readonly manifest: Manifest;
  readonly file?: string;
  readonly folder?: string;
}
type Packages = ReadonlyMap<string, readonly Version[]>;

/**
 * Builds, packs and serves. pnpm is told of foreign packages what the lockfile says of their bytes, takes them out of its store, and fetches nothing. npm has
 * no such store, and would miss the same bytes in what is packed here anew.
 */
export async function startRegistry(): Promise<Registry> {
  const began = performance.now();
  const work = await mkdtemp(join(tmpdir(), "raceway-registry-"));
  const { stdout } = await run("npx", ["--prefer-offline", "-y", "--package=pnpm@12", "-c", "command -v pnpm"], {
    cwd: root,
  });
  const pnpm = stdout.trim();
  const packages = new Map([...(await foreign()), ...(await own(work, pnpm))]);
  const packSeconds = (performance.now() - began) / 1_000;
  const integrities = await integritiesOf();
  const server = createServer((request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? "/", "http://registry").pathname.slice(1));
    const [name = "", file] = path.split("/-/");
    const versions = packages.get(name);
    const version = versions?.find(({ manifest }) => file === `${manifest.version}.tgz`);
    if (request.method === "GET" && version !== undefined) tarball(version, response);
    else if (request.method === "GET" && versions !== undefined && file === undefined) {
      response.setHeader("content-type", "application/json");
      const fromStore = request.headers["user-agent"]?.startsWith("pnpm/") === true;
      response.end(JSON.stringify(packument(name, versions, urlOf(server), fromStore ? integrities : new Map())));
    } else response.writeHead(404).end("{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    url: urlOf(server),
    pnpm,
    packSeconds,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(work, { recursive: true, force: true });
    },
  };
}

const urlOf = (server: Server): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`;

/** The packages of this workspace, packed. */
async function own(work: string, pnpm: string): Promise<Packages> {
  const folders = await readdir(join(root, "packages"));
  const projects = folders.map((folder) => join("packages", folder));
  await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-b", ...projects], { cwd: root });
  const packed = join(work, "packed");
  await run(pnpm, ["-r", "--filter", "./packages/*", "pack", "--pack-destination", packed], {
    cwd: root,
    maxBuffer: 16 * 1024 * 1024,
  });
  const files = await readdir(packed);
  const versions = await Promise.all(
    files.map(async (name) => {
      const file = join(packed, name);
      const { stdout } = await run("tar", ["-xzOf", file, "package/package.json"]);
      return { manifest: JSON.parse(stdout) as Manifest, file };
    }),
  );
  return new Map(versions.map((version) => [version.manifest.name, [version]]));
}

/** What the workspace was installed with, out of pnpm's folders. */
async function foreign(): Promise<Packages> {
  const store = join(root, "node_modules/.pnpm");
  const packages = new Map<string, Version[]>();
  const found = await Promise.all(
    (await readdir(store)).map((entry) => realFolders(join(store, entry, "node_modules"))),
  );
  for (const folder of found.flat()) {
    const manifest = JSON.parse(await readFile(join(folder, "package.json"), "utf8")) as Manifest;
    const known = packages.get(manifest.name) ?? [];
    // With other peers beside it, a version has another folder and the same files.
    if (!known.some((one) => one.manifest.version === manifest.version)) known.push({ manifest, folder });
    packages.set(manifest.name, known);
  }
  return packages;
}

/** Packages that are there themselves, and not by a link. */
async function realFolders(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const folders = await Promise.all(
    entries.map(async (entry) => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory() || entry.name === ".bin") return [];
      return entry.name.startsWith("@") ? realFolders(path) : [path];
    }),
  );
  return folders.flat();
}

/** "name@1.2.3" → "sha512-…". */
async function integritiesOf(): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(join(root, "pnpm-lock.yaml"), "utf8");
  const entries = text.matchAll(/^ {2}'?([^'\s]+?)'?:\n {4}resolution: \{integrity: ([^,}]+)/gm);
  return new Map(Array.from(entries, ([, id, integrity]) => [id!, integrity!] as const));
}

function packument(
  name: string,
  versions: readonly Version[],
  url: string,
  integrities: ReadonlyMap<string, string>,
): object {
  const sorted = versions.toSorted((a, b) =>
    a.manifest.version.localeCompare(b.manifest.version, "en", { numeric: true }),
  );
  return {
    name,
    "dist-tags": { latest: sorted.at(-1)!.manifest.version },
    versions: Object.fromEntries(
      sorted.map(({ manifest }) => {
        const integrity = integrities.get(`${name}@${manifest.version}`);
        const tarball = `${url}/${name}/-/${manifest.version}.tgz`;
        return [manifest.version, { ...manifest, dist: { tarball, ...(integrity !== undefined && { integrity }) } }];
      }),
    ),
  };
}

function tarball({ file, folder }: Version, response: ServerResponse): void {
  response.setHeader("content-type", "application/octet-stream");
  const bytes =
    file === undefined ? Readable.from(tarOf(folder!)).pipe(createGzip({ level: 1 })) : createReadStream(file);
  bytes.on("error", () => response.destroy()).pipe(response);
}

const BLOCK = 512;

/**
 * The folder's files as npm wants them, below "package", in the tar format of POSIX. Not by `tar`: pnpm keeps the same bytes once, under several names, and
 * those it would pack as links, which npm leaves out.
 */
async function* tarOf(folder: string): AsyncGenerator<Uint8Array> {
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    const path = relative(folder, file).replaceAll("\\", "/");
    if (!entry.isFile() || path.startsWith("node_modules/")) continue;
    const bytes = await readFile(file);
    yield headOf(`package/${path}`, bytes.length, (await stat(file)).mode);
    yield bytes;
    yield Buffer.alloc((BLOCK - (bytes.length % BLOCK)) % BLOCK);
  }
  yield Buffer.alloc(2 * BLOCK);
}

/** "ustar": a name of more than 100 bytes has its front, up to a slash, in a field of its own. */
function headOf(path: string, size: number, mode: number): Buffer {
  const cut = path.length > 100 ? path.indexOf("/", path.length - 101) : -1;
  const head = Buffer.alloc(BLOCK);
  const put = (at: number, text: string): number => head.write(text, at);
  put(0, path.slice(cut + 1));
  put(100, `${(mode & 0o777).toString(8).padStart(7, "0")}\0`);
  put(124, `${size.toString(8).padStart(11, "0")} `);
  put(136, "00000000000 "); // no time: the same bytes each time
  put(148, "        "); // the sum is made with blanks in its place
  put(156, "0");
  put(257, "ustar\u000000");
  put(345, path.slice(0, Math.max(0, cut)));
  put(
    148,
    `${head
      .reduce((sum, byte) => sum + byte, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
  );
  return head;
}
