// `--once`: the scenario without a page, in one process, over real sockets; a table at the end, and an answer.
import { transportNames } from "../client/transports.ts";
import { BoardServer } from "../server/board-server.ts";
import { type ControlEvent, Controls } from "../server/controls.ts";
import { HOST } from "../server/listen.ts";
import { type NumberedQuote, replay } from "../server/replay.ts";
import { readTradingDays } from "../server/trading-days.ts";
import { type Done, perform } from "./scenario.ts";
import { Subscriber } from "./subscriber.ts";
import { table } from "./table.ts";
import { asError, until } from "./until.ts";

/** At least so many quotes are sent; more if the scenario takes longer. */
const LEAST_QUOTES = 2_000;
const PER_SECOND = 400;
const count = new Intl.NumberFormat("en");

/** True: nothing was lost, nothing came twice, and all that was to happen has happened. */
export async function once(print: (line: string) => void): Promise<boolean> {
  const began = performance.now();
  const controls = new Controls();
  const events: ControlEvent[] = [];
  controls.subscribe((event) => events.push(event));
  let port = 0;
  let url = "";
  await using board = new BoardServer({
    controls,
    quotesPerSecond: PER_SECOND,
    open: async (app) => ({ port, url } = await app.listen({ port, host: HOST })), // the second server takes the first one's port
  });
  await board.ready();
  print(`A board server on ${url}, ${PER_SECOND} quotes a second, four subscribers.`);

  const subscribers = transportNames.map((name) => new Subscriber(url, name));
  const stop = new AbortController();
  let sent = 0;
  const publish = async (quote: NumberedQuote): Promise<void> => {
    await board.publish(quote);
    sent = quote.sequence;
  };
  let failed: Error | undefined;
  const publishing = replay({ days: readTradingDays(), perSecond: PER_SECOND, publish, signal: stop.signal }).catch(
    (error: unknown) => (failed = asError(error)),
  );
  let done: Done | undefined;
  try {
    const said = (what: string): void =>
      print(`${((performance.now() - began) / 1_000).toFixed(2).padStart(6)} s  ${what}`);
    done = await perform({ controls, board, subscribers, events, done: said });
    await until(
      `${LEAST_QUOTES} quotes`,
      () => sent >= LEAST_QUOTES,
      () => `${sent} were sent.`,
    );
    stop.abort();
    await publishing;
    const last = sent;
    for (const subscriber of subscribers) {
      await until(
        `${subscriber.prefers} to receive the last quote`,
        () => subscriber.tally.last >= last,
        () => String(subscriber),
      );
    }
  } catch (error) {
    failed ??= asError(error);
  } finally {
    stop.abort();
    await publishing;
    for (const subscriber of subscribers) await subscriber[Symbol.asyncDispose]();
  }
  return report({ print, subscribers, sent, done, failed, seconds: (performance.now() - began) / 1_000 });
}

interface Outcome {
  readonly print: (line: string) => void;
  readonly subscribers: readonly Subscriber[];
  readonly sent: number;
  readonly done: Done | undefined;
  readonly failed: Error | undefined;
  readonly seconds: number;
}

function report({ print, subscribers, sent, done, failed, seconds }: Outcome): boolean {
  const rows = subscribers.map(({ prefers, tally, switched, resumed, trail }) => {
    const lost = sent - (tally.received - tally.duplicates);
    return [prefers, sent, tally.received, lost, tally.duplicates, switched, resumed, trail.at(-1) ?? "none"] as const;
  });
  print("");
  print(table(["transport", "sent", "received", "lost", "duplicated", "switched", "resumed", "over at the end"], rows));
  print("");
  const sum = (column: 2 | 3 | 4): number => rows.reduce((total, row) => total + row[column], 0);
  const [received, lost, duplicated] = [sum(2), sum(3), sum(4)];
  const happened =
    done === undefined
      ? ""
      : `; ${done.cuts} cuts, ${done.blocks} blocks, ${done.fallbacks} fallbacks, ${done.returns} returns, ${done.switches} switches, ${done.restarts} restart`;
  print(
    `${count.format(sent)} sent, ${count.format(received)} received by four, ${lost} lost, ${duplicated} duplicated${happened}; ${seconds.toFixed(1)} s`,
  );
  for (const subscriber of subscribers) failed ??= subscriber.failed;
  if (failed !== undefined) print(`FAILED: ${failed.message}`);
  return failed === undefined && done !== undefined && lost === 0 && duplicated === 0;
}
