// Memory of the server's process per connection that does nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { AllArrivals } from "../arrivals.ts";
import type { Control } from "../control.ts";
import type { PeerLoad, RawConnection } from "../peer.ts";
import type { PreparedCase } from "./sample.ts";
import type { IdleCase } from "./table.ts";

/** Connections that are being opened at once. */
const BATCH = 50;
/** Opened before anything is measured, so that code and pools that exist once are not counted. */
const WARM_UP = 200;

export async function prepareIdle(
  { sessions, subscribed }: IdleCase,
  load: PeerLoad,
  control: Control,
): Promise<PreparedCase> {
  const all = new AllArrivals();
  const { subscribe, idle } = load;
  const openOne = subscribed ? subscribe && (() => subscribe(all.subscriber())) : idle;
  if (!openOne) throw new Error("This peer has no such session.");
  const connections: RawConnection[] = [];
  const open = async (wanted: number): Promise<void> => {
    while (connections.length < wanted)
      connections.push(
        ...(await Promise.all(Array.from({ length: Math.min(BATCH, wanted - connections.length) }, () => openOne()))),
      );
    while (subscribed && (await control.subscribers()) < wanted) {
      all.check();
      await sleep(20);
    }
  };
  return {
    control,
    async measure() {
      await open(WARM_UP);
      const before = await control.memory();
      await open(WARM_UP + sessions);
      const bytes = (await control.memory()) - before;
      return { units: sessions, cpuMicros: 0, loadCpuMicros: 0, wallMicros: 0, bytes };
    },
    async dispose() {
      for (const connection of connections) connection.close();
    },
  };
}
