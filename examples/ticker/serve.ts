// The demo with its page: the board's server and the buttons' on one port, until Ctrl+C.
import { createServer } from "node:http";
import { BoardServer } from "./server/board-server.ts";
import { Controls } from "./server/controls.ts";
import { HOST, listen } from "./server/listen.ts";
import { opsServer } from "./server/ops-server.ts";
import { pageFiles } from "./server/page-files.ts";
import { replay } from "./server/replay.ts";
import { readTradingDays } from "./server/trading-days.ts";

const QUOTES_PER_SECOND = 10;

export async function serve(port: number | undefined): Promise<void> {
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
