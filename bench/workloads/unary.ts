// Calls: so many connections, so many calls in flight on each, one after the other.
import type { Control } from "../control.ts";
import type { PeerClient, PeerLoad } from "../peer.ts";
import { Histogram } from "../statistics.ts";
import { type PreparedCase, sample } from "./sample.ts";
import type { UnaryCase } from "./table.ts";

const TEXT = "what is said in a call of usual size";

export async function prepareUnary(
  { connections, inFlight }: UnaryCase,
  load: PeerLoad,
  control: Control,
): Promise<PreparedCase> {
  const clients = await Promise.all(Array.from({ length: connections }, () => load.connect()));
  const latency = new Histogram();
  return {
    control,
    measure: (seconds) =>
      sample(control, latency, async () => {
        const end = performance.now() + seconds * 1e3;
        const workers = clients.flatMap((client) =>
          Array.from({ length: inFlight }, () => callUntil(client, end, latency)),
        );
        return (await Promise.all(workers)).reduce((sum, calls) => sum + calls, 0);
      }),
    async dispose() {
      for (const client of clients) await client.close();
    },
  };
}

async function callUntil(client: PeerClient, end: number, latency: Histogram): Promise<number> {
  let calls = 0;
  for (let now = performance.now(); now < end;) {
    const { text, number } = await client.echo(TEXT, ++calls);
    if (text !== TEXT || number !== calls) throw new Error(`Call ${calls} was answered with ${number}, "${text}".`);
    const later = performance.now();
    latency.record((later - now) * 1e3);
    now = later;
  }
  return calls;
}
