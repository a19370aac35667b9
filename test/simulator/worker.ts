// A thread that simulates one seed after another and tells what came of them, in lots.
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { simulate } from "./simulate.ts";
import { type Lot, type Task, Tally } from "./tally.ts";

/** Seeds per message: few enough for a progress that moves, many enough that telling costs nothing. */
const LOT = 25;

const { from, to, step, only, plant } = workerData as Task;
let unhandled: unknown;
process.on("unhandledRejection", (error) => (unhandled ??= error));

let tally = new Tally();
const tell = (): void => {
  const lot: Lot = tally.lot;
  (parentPort as MessagePort).postMessage(lot, []);
  tally = new Tally();
};
for (let seed = from; seed <= to; seed += step) {
  const outcome = await simulate(seed, { only, plant });
  // Rejections that nobody looked at are told of when the event loop turns.
  await new Promise((resolve) => setImmediate(resolve));
  tally.add(outcome, unhandled);
  unhandled = undefined;
  if (tally.lot.seeds === LOT || tally.lot.failures.length > 0) tell();
}
tell();
