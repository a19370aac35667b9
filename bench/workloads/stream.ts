// Streams of many messages in one direction, one stream after the other on one connection, as fast as both ends can.
import type { Control } from "../control.ts";
import { SEQ_BASE, SeriesCheck } from "../event.ts";
import type { PeerLoad } from "../peer.ts";
import { type PreparedCase, sample } from "./sample.ts";
import type { StreamCase } from "./table.ts";

export async function prepareStream(
  { workload, messages }: StreamCase,
  load: PeerLoad,
  control: Control,
): Promise<PreparedCase> {
  const client = await load.connect();
  const down = async (): Promise<void> => {
    const check = new SeriesCheck();
    await client.down(messages, (seq) => check.take(seq));
    check.complete(messages);
  };
  const up = async (): Promise<void> => {
    const { count, last } = await client.up(messages);
    if (count !== messages || last !== SEQ_BASE + messages)
      throw new Error(`${count} events came, the last ${last - SEQ_BASE}; ${messages} were sent.`);
  };
  return {
    control,
    measure: (seconds) =>
      sample(control, undefined, async () => {
        const end = performance.now() + seconds * 1e3;
        let units = 0;
        do {
          await (workload === "down" ? down() : up());
          units += messages;
        } while (performance.now() < end);
        return units;
      }),
    dispose: async () => client.close(),
  };
}
