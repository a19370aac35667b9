// Connects, makes one call, closes; some at once.
import type { Control } from "../control.ts";
import type { PeerLoad } from "../peer.ts";
import { Histogram } from "../statistics.ts";
import { type PreparedCase, sample } from "./sample.ts";
import type { ConnectCase } from "./table.ts";

export async function prepareConnect(
  { atOnce, most }: ConnectCase,
  load: PeerLoad,
  control: Control,
): Promise<PreparedCase> {
  const latency = new Histogram();
  return {
    control,
    measure: (seconds) =>
      sample(control, latency, async () => {
        const end = performance.now() + seconds * 1e3;
        let connections = 0;
        const worker = async (): Promise<void> => {
          while (performance.now() < end && connections < most) {
            connections++;
            const began = performance.now();
            const client = await load.connect();
            const { number } = await client.echo("first", 1);
            if (number !== 1) throw new Error("The first call was answered with another.");
            latency.record((performance.now() - began) * 1e3); // from the wish to connect to the first reply
            await client.close();
          }
        };
        await Promise.all(Array.from({ length: atOnce }, worker));
        return connections;
      }),
    dispose: async () => {},
  };
}
