// Backpressure: a link says stop, says go again, and a peer that does not read makes the sender stop.
import type { Case } from "../case.ts";
import { nextTurn, require, settle } from "../case.ts";
import type { End } from "../end.ts";
import { bothWays, expectBatches, type Group } from "./stage.ts";

const BATCH = 65_536;
/** No buffer on the way, the kernel's included, is expected to be as large. */
const MUCH = 64 * 1024 * 1024;
/** What may still be delivered after `pause`: buffers of streams and proxies on the way. */
const FEW = 512 * 1024;

export const flow: Group = (stage): readonly Case[] => {
  const { subject, batches } = stage;
  const pauseReachesPeer = subject.pauseReachesPeer ?? true;

  /** Sends to an end that does not read, until the link has said stop for good. Gives what was sent. */
  const fill = async (from: End, to: End): Promise<Uint8Array[]> => {
    const size = Math.min(BATCH, from.link.traits.maxBatchBytes);
    const sent: Uint8Array[] = [];
    const deliveredBefore = to.receivedBytes;
    for (;;) {
      const drains = from.drains;
      for (let room = true; room;) {
        const batch = batches.make(sent.length, size);
        sent.push(batch);
        room = from.send([batch]);
        if (sent.length % 16 === 0) await nextTurn();
        from.check();
        to.check();
        const delivered = to.receivedBytes - deliveredBefore;
        require(delivered <= FEW, () => `${delivered} bytes were delivered to the ${to.side} after pause`);
        require(sent.length * size <= MUCH, () =>
          `the ${from.side} took ${sent.length * size} bytes without a stop (send never returned false for long) while the ${to.side} was paused`);
      }
      await settle();
      if (from.drains === drains) return sent; // nothing moves any more
    }
  };

  return [
    {
      name: "makes the sender stop while the peer is paused, and go on after",
      needs: { what: "a platform that can stop reading", met: pauseReachesPeer },
      run: async () => {
        for (const way of [0, 1]) {
          await stage.withLink({}, async (client, server) => {
            const [from, to] = bothWays(client, server)[way] ?? [client, server];
            to.pause();
            await settle();
            const sent = await fill(from, to);
            const drains = from.drains;
            to.resume();
            await from.until(() => from.drains > drains, "drain, since the peer reads again");
            await expectBatches(to, sent);
            await from.flushed();
            // And the link is as good as new.
            from.send([batches.make(1)]);
            await to.untilBatches(sent.length + 1);
          });
        }
      },
    },
    {
      name: "delivers nothing while paused, and all of it after",
      run: async () => {
        for (const way of [0, 1]) {
          await stage.withLink(
            { client: { opened: (end) => end.pause() }, server: { opened: (end) => end.pause() } },
            async (client, server) => {
              const [from, to] = bothWays(client, server)[way] ?? [client, server];
              await settle();
              const sent: Uint8Array[] = [];
              // Twice what may come in spite of the pause; no waiting for drains, since none needs to come.
              const size = Math.min(BATCH, from.link.traits.maxBatchBytes);
              for (let at = 0; at < (2 * FEW) / BATCH; at++) {
                const batch = batches.make(at, size);
                sent.push(batch);
                from.send([batch]);
                if (at % 16 === 0) await nextTurn();
              }
              await settle();
              require(to.receivedBytes <= FEW, () =>
                `${to.receivedBytes} bytes were delivered to the ${to.side} while it was paused`);
              from.resume();
              to.resume();
              await expectBatches(to, sent);
              for (let at = 0; at < 50; at++) {
                to.pause();
                from.send([batches.make(sent.length)]);
                sent.push(batches.make(sent.length));
                to.resume();
              }
              await expectBatches(to, sent);
            },
          );
        }
      },
    },
    {
      name: "asks for a pause at most as long as it is full: buffered returns to 0",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            const wanted = Array.from({ length: 100 }, (_, number) => batches.make(number, 16_000));
            await from.pour(wanted.map((batch) => [batch]));
            await expectBatches(to, wanted);
            await from.flushed();
            require(from.send([batches.make(1)]) ||
              subject.traits.maxBatchBytes < 1024, `an empty link of the ${from.side} said stop after one small batch`);
            await to.untilBatches(wanted.length + 1);
            await from.flushed();
          }
        }),
    },
    {
      name: "lets a paused end close",
      run: async () => {
        for (const way of [0, 1]) {
          await stage.withLink({}, async (client, server) => {
            const [from, to] = bothWays(client, server)[way] ?? [client, server];
            to.pause();
            from.send([batches.make(1)]);
            await settle();
            to.close();
            await to.untilClosed();
            await from.untilClosed();
          });
        }
      },
    },
  ];
};
