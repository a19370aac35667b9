// `npm run demo`: the ticker's server and its page. `npm run demo -- --once`: the same scenario without a page, and an exit code.
import { createServer } from "node:http";
import { parseArgs } from "node:util";
import { once } from "./once/once.ts";
import { BoardServer } from "./server/board-server.ts";
import { Controls } from "./server/controls.ts";
import { HOST, listen } from "./server/listen.ts";
import { opsServer } from "./server/ops-server.ts";
import { pageFiles } from "./server/page-files.ts";
import { replay } from "./server/replay.ts";
import { readTradingDays } from "./server/trading-days.ts";

const QUOTES_PER_SECOND = 10;
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

async function serve(port: number | undefined): Promise<void> {
  const controls = new Controls();
  const server = createServer(await pageFiles());
  const board = new BoardServer({ controls, quotesPerSecond: QUOTES_PER_SECOND, open: (app) => app.attach(server) });
  await board.ready();
  const ops = opsServer({ controls, board, failed: (error) => console.error("An event was not published:", error) });
  await ops.attach(server);
  const stop = new AbortController();
  const publishing = replay({
    days: readTradingDays(),
    perSecond: QUOTES_PER_SECOND,
    publish: (quote) => board.publish(quote),
    signal: stop.signal,
  });
  console.log(`Raceway ticker: http://${HOST}:${await listen(server, port)} (Ctrl+C ends it)`);

  const ended = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  await Promise.race([ended, publishing]);
  stop.abort();
  await publishing;
  server.close();
  await Promise.all([board[Symbol.asyncDispose](), ops.close(0)]);
  server.closeAllConnections();
}

let given: Arguments | undefined;
try {
  given = readArguments();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  console.error(USAGE);
  process.exitCode = 2;
}
if (given?.once === true) process.exitCode = (await once((line) => console.log(line))) ? 0 : 1;
else if (given !== undefined) {
  await serve(given.port).catch((error: unknown) => {
    console.error(error instanceof Error ? error.message : error);
    process.exitCode = 1;
  });
}
