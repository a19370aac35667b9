// `npm run demo`: the ticker's server and its page. `npm run demo -- --once`: the same scenario without a page, and an exit code.
import { parseArgs } from "node:util";

const USAGE = `Usage: npm run demo -- [--port <number>] [--once]
  --port  Port of the page; without it the first free one from 8080 on.
  --once  No page: cuts, blocks, switches and restarts by itself, prints a table, and exits with 0 if nothing was lost or duplicated.`;

interface Arguments {
  readonly port: number | undefined;
  readonly once: boolean;
}

function readArguments(): Arguments {
  const { values } = parseArgs({
    options: {
      port: { type: "string" },
      once: { type: "boolean", default: false },
      help: { type: "boolean", short: "h" },
    },
  });
  if (values.help === true) {
    console.log(USAGE);
    process.exit(0);
  }
  const port = values.port === undefined ? undefined : Number(values.port);
  if (port !== undefined && !(Number.isInteger(port) && port >= 0 && port <= 65_535))
    throw new Error(`--port ${values.port} is no port.`);
  return { port, once: values.once };
}

let given: Arguments | undefined;
try {
  given = readArguments();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(USAGE);
  process.exitCode = 2;
}
// Each way loads only what it needs: a page needs a bundler.
if (given?.once === true) {
  const { once } = await import("./once/once.ts");
  process.exitCode = (await once((line) => console.log(line))) ? 0 : 1;
} else if (given !== undefined) {
  const { serve } = await import("./serve.ts");
  await serve(given.port).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
