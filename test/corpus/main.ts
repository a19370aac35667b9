// `pnpm corpus`: real public schemas become code, which compiles under every strict flag and runs. Exits with 1 if any of it does not.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { CodeFolder } from "../generator/type-check.ts";
import { apis, type PublicApi } from "./apis.ts";
import { type Exercised, exercise } from "./exercise.ts";
import { type GeneratedApi, generateApi } from "./generated-api.ts";
import { formatTable, type Row } from "./table.ts";

const usage = `pnpm corpus [options] [name ...]

Code of public APIs, from packages of npm: made, compiled strictly, and every method called once between the generated client and
generated handlers. A name, or a part of it, takes the APIs and publishers that have it.

  --quick   a few of them, for CI
`;

/** Least APIs with a service, and least publishers, of a whole run. */
const LEAST_APIS = 25;
const LEAST_PUBLISHERS = 5;

const print = (text: string): void => void process.stdout.write(`${text}\n`);

try {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: "boolean", default: false }, help: { type: "boolean", short: "h", default: false } },
  });
  if (values.help) print(usage);
  else process.exitCode = (await run(chosen(values.quick, positionals))) ? 0 : 1;
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 2;
}

function chosen(quick: boolean, names: readonly string[]): readonly PublicApi[] {
  const has = (api: PublicApi, name: string): boolean =>
    `${api.name} ${api.publisher}`.toLowerCase().includes(name.toLowerCase());
  const found = apis.filter(
    (api) => (!quick || api.quick === true) && (names.length === 0 || names.some((name) => has(api, name))),
  );
  if (found.length === 0) throw new Error(`No API is called ${names.join(", ")}; there are: ${listed()}.`);
  return found;
}

function listed(): string {
  return apis.map(({ name }) => name).join(", ");
}

/** Prints all that there is to say; resolves to whether everything held. */
async function run(taken: readonly PublicApi[]): Promise<boolean> {
  const start = performance.now();
  using folder = new CodeFolder();
  const failures: string[] = [];
  const made: (readonly [PublicApi, GeneratedApi])[] = [];
  for (const [at, api] of taken.entries()) {
    try {
      made.push([api, await generateApi(api, join(folder.path, `api-${at}`))]);
    } catch (error) {
      failures.push(`${api.name}: ${messageOf(error)}`);
    }
  }
  const compileStart = performance.now();
  const typeErrors = folder.typeErrors();
  const compileMs = performance.now() - compileStart;
  failures.push(...typeErrors);
  const runStart = performance.now();
  const rows: Row[] = [];
  for (const [api, generated] of made) {
    const part = generated.folder.slice(folder.path.length + 1);
    const ran = await exerciseOrFail(generated);
    failures.push(...ran.failures.map((text) => `${api.name}: ${text}`));
    const own = typeErrors.filter((line) => line.includes(`/${part}/`)).length;
    const { files, services, generateMs } = generated;
    const unary = { ok: ran.unary, all: generated.unary };
    const streams = { ok: ran.streams, all: generated.streams };
    rows.push({ api, files, services, generateMs, typeErrors: own, unary, streams });
  }
  const runMs = performance.now() - runStart;
  if (taken.length === apis.length) failures.push(...tooFew(rows));
  print(formatTable(rows));
  const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;
  print(
    `\nCompiled in ${seconds(compileMs)}, called in ${seconds(runMs)}, all in ${seconds(performance.now() - start)}; ${failures.length} failures`,
  );
  for (const failure of failures) print(failure);
  return (
    failures.length === 0 && rows.every(({ unary, streams }) => unary.ok === unary.all && streams.ok === streams.all)
  );
}

async function exerciseOrFail(generated: GeneratedApi): Promise<Exercised> {
  try {
    return await exercise(generated);
  } catch (error) {
    return { unary: 0, streams: 0, failures: [messageOf(error)] };
  }
}

function tooFew(rows: readonly Row[]): readonly string[] {
  const whole = rows.filter(({ services }) => services > 0);
  const publishers = new Set(whole.map(({ api }) => api.publisher)).size;
  return [
    ...(whole.length < LEAST_APIS ? [`${whole.length} APIs have a service, expected at least ${LEAST_APIS}.`] : []),
    ...(publishers < LEAST_PUBLISHERS ? [`${publishers} publishers, expected at least ${LEAST_PUBLISHERS}.`] : []),
  ];
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
