// One topic to many subscribers. The next turn begins when all of the last has arrived, but not before its time.
import { setTimeout as sleep } from "node:timers/promises";
import { AllArrivals } from "../arrivals.ts";
import type { Control } from "../control.ts";
import { SEQ_BASE } from "../event.ts";
import type { PeerLoad, RawConnection } from "../peer.ts";
import { type PreparedCase, sample } from "./sample.ts";
import type { FanoutCase } from "./table.ts";

/** Connections that are being opened at once. */
const BATCH = 100;
const ARRIVAL_TIMEOUT_MS = 20_000;
const FEWEST_TURNS = 5;

export async function prepareFanout(
  { subscribers, perTurn, pace, rows, steady }: FanoutCase,
  load: PeerLoad,
  control: Control,
): Promise<PreparedCase> {
  const { subscribe } = load;
  if (!subscribe) throw new Error("This peer has no topic.");
  const all = new AllArrivals();
  const connections: RawConnection[] = [];
  const before = await control.subscribers();
  while (connections.length < subscribers) {
    const batch = Math.min(BATCH, subscribers - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: batch }, () => subscribe(all.subscriber())))));
  }
  const deadline = Date.now() + ARRIVAL_TIMEOUT_MS;
  while ((await control.subscribers()) - before < subscribers) {
    if (Date.now() > deadline)
      throw new Error(`Only ${(await control.subscribers()) - before} of ${subscribers} subscribers are there.`);
    all.check();
    await sleep(10);
  }
  const intervalMs = (subscribers * perTurn * 1e3) / pace;
  let seq = 0;
  return {
    control,
    measure: (seconds) =>
      sample(control, all.latency, async () => {
        const turns = Math.max(FEWEST_TURNS, Math.round((seconds * 1e3) / intervalMs));
        let next = performance.now();
        if (steady === true) {
          const late = setTimeout(
            () => all.fail(new Error(`Deliveries are missing after ${ARRIVAL_TIMEOUT_MS} ms.`)),
            ARRIVAL_TIMEOUT_MS + seconds * 1e3,
          );
          const arrived = all.expect(turns * subscribers * perTurn);
          for (let turn = 0; turn < turns; turn++) {
            const wait = next - performance.now();
            if (wait > 0) await sleep(wait);
            next += intervalMs;
            control.publish(seq + 1, perTurn, rows);
            seq += perTurn;
          }
          await arrived;
          clearTimeout(late);
          all.complete(SEQ_BASE + seq);
          return turns * subscribers * perTurn;
        }
        for (let turn = 0; turn < turns; turn++) {
          const wait = next - performance.now();
          if (wait > 0) await sleep(wait);
          next = Math.max(next + intervalMs, performance.now());
          const timeout = setTimeout(
            () => all.fail(new Error(`Deliveries are missing after ${ARRIVAL_TIMEOUT_MS} ms.`)),
            ARRIVAL_TIMEOUT_MS,
          );
          const arrived = all.expect(subscribers * perTurn);
          control.publish(seq + 1, perTurn, rows);
          seq += perTurn;
          await arrived;
          clearTimeout(timeout);
        }
        all.complete(SEQ_BASE + seq);
        return turns * subscribers * perTurn;
      }),
    async dispose() {
      for (const connection of connections) connection.close();
    },
  };
}
