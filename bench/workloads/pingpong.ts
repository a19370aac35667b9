// One bidirectional stream, one message in flight: each is answered before the next.
import type { Control } from "../control.ts";
import { makeEvent, monotonicMicros } from "../event.ts";
import type { PeerLoad } from "../peer.ts";
import { Histogram } from "../statistics.ts";
import { type PreparedCase, sample } from "./sample.ts";

export async function preparePingpong(load: PeerLoad, control: Control): Promise<PreparedCase> {
  const client = await load.connect();
  const conversation = await client.converse();
  const latency = new Histogram();
  let seq = 0;
  return {
    control,
    measure: (seconds) =>
      sample(control, latency, async () => {
        const at = monotonicMicros();
        let units = 0;
        for (let now = performance.now(), end = now + seconds * 1e3; now < end; units++) {
          const event = makeEvent(++seq, at);
          if ((await conversation.say(event)) !== event.seq) throw new Error("A message was answered with another.");
          const later = performance.now();
          latency.record((later - now) * 1e3);
          now = later;
        }
        return units;
      }),
    async dispose() {
      await conversation.end();
      await client.close();
    },
  };
}
