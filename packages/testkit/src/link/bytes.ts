// What a link carries: every byte, every size, every cut into parts, in order and whole.
import { reasonOf } from "@raceway/core";
import type { Case } from "../case.ts";
import { require } from "../case.ts";
import { requireSame } from "../format.ts";
import { bothWays, expectBatches, type Group, requireBatches } from "./stage.ts";

/** Largest batch that the cases send, for links that know no limit. */
const LARGEST = 8 * 1024 * 1024;

export const bytes: Group = (stage): readonly Case[] => {
  const { subject, batches } = stage;
  return [
    {
      name: "keeps 1,000 batches in order, none lost, none twice",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            const wanted = Array.from({ length: 1000 }, (_, number) =>
              batches.make(number, batches.least + (number % 50)),
            );
            await from.pour(wanted.map((batch) => [batch]));
            await expectBatches(to, wanted);
          }
        }),
    },
    {
      name: "carries what both ends send at once",
      run: () =>
        stage.withLink({}, async (client, server) => {
          const up = Array.from({ length: 150 }, (_, number) => batches.make(number, 4000 + number));
          const down = Array.from({ length: 150 }, (_, number) => batches.make(10_000 + number, 4100 - number));
          await Promise.all([client.pour(up.map((batch) => [batch])), server.pour(down.map((batch) => [batch]))]);
          await Promise.all([expectBatches(server, up), expectBatches(client, down)]);
        }),
    },
    {
      name: stage.format === "binary" ? "carries every byte in every place" : "carries every character of JSON",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            await from.pour(batches.awkward.map((batch) => [batch]));
            await expectBatches(to, batches.awkward);
          }
        }),
    },
    {
      name: "keeps the border between two batches that were sent in one turn",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            const wanted = [64, 65, 64, 500, 64].map((size, number) => batches.make(number, size));
            for (const batch of wanted) from.send([batch]);
            await expectBatches(to, wanted);
          }
        }),
    },
    {
      name: "comes to no harm from an empty batch",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            // There is nothing in it to deliver. Whether an empty batch arrives is left open; the session ignores it.
            const said = (): number => to.batches.filter((batch) => batch.length > 0).length;
            from.send([]);
            from.send([batches.make(1)]);
            from.send([new Uint8Array(0), new Uint8Array(0)]);
            from.send([new Uint8Array(0), batches.make(2), new Uint8Array(0)]);
            await to.until(() => said() >= 2, "the two batches among empty ones");
            const full = to.batches.filter((batch) => batch.length > 0);
            requireSame(full[0], batches.make(1), "the first batch");
            requireSame(full[1], batches.make(2), "the second batch");
          }
        }),
    },
    {
      name: "carries batches of every size up to maxBatchBytes",
      run: () =>
        stage.withLink({}, async (client, server) => {
          // Borders of length fields, buffers and frames of the protocols underneath, and one byte to either side.
          const borders = [125, 126, 127, 128, 4095, 4096, 16_383, 16_384, 16_385, 65_535, 65_536, 65_537, 262_144];
          for (const [from, to] of bothWays(client, server)) {
            const largest = Math.min(from.link.traits.maxBatchBytes, LARGEST);
            const sizes = [...borders.filter((size) => size < largest - 1), largest - 1, largest];
            const wanted = sizes.map((size, number) => batches.make(number, size));
            await from.pour(wanted.map((batch) => [batch]));
            await expectBatches(to, wanted);
          }
        }),
    },
    {
      name: "closes with batch_too_large above maxBatchBytes, and delivers nothing of it",
      needs: { what: `a maxBatchBytes below ${LARGEST}`, met: subject.traits.maxBatchBytes < LARGEST },
      run: async () => {
        for (const way of [0, 1]) {
          await stage.withLink({}, async (client, server) => {
            const [from, to] = bothWays(client, server)[way] ?? [client, server];
            const limit = from.link.traits.maxBatchBytes;
            from.send([batches.make(1)]);
            from.send([batches.make(2, limit), batches.make(3)]);
            await from.untilClosed();
            const reason = reasonOf(from.closed?.error);
            require(reason ===
              "batch_too_large", `the ${from.side} was closed with ${reason ?? "no error of Raceway"}, not batch_too_large`);
            await to.untilClosed();
            requireBatches(to, [batches.make(1)], true);
          });
        }
      },
    },
    {
      name: "joins the parts of a batch, however many and small",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            const wanted: Uint8Array[] = [];
            for (const [number, size] of [200, 5000, 60_000].entries()) {
              const whole = batches.make(number, size);
              // Parts are windows into a larger buffer, of 0 to 6 bytes: `part.buffer` is never the part.
              const ground = new Uint8Array(size + 64);
              ground.set(whole, 32);
              const parts: Uint8Array[] = [];
              for (let at = 0, step = 0; at < size; at += step) {
                step = Math.min((parts.length * 5) % 7, size - at);
                parts.push(ground.subarray(32 + at, 32 + at + step));
              }
              wanted.push(whole);
              await from.pour([parts]);
            }
            await expectBatches(to, wanted);
          }
        }),
    },
    {
      name: "leaves parts that many links share as they were",
      run: () =>
        stage.withLinks(Math.min(8, subject.maxLinks ?? 8), async (pairs) => {
          for (const size of [100, 3000, 20_000]) {
            const whole = batches.make(size, size);
            const middle = Math.floor(size / 2);
            for (const cut of [[whole.slice()], [whole.slice(0, middle), whole.slice(middle)]]) {
              const shared = Object.freeze(cut);
              const before = shared.map((part) => part.slice());
              for (const way of [0, 1]) {
                const ways = pairs.map(([client, server]) =>
                  way === 0 ? ([client, server] as const) : ([server, client] as const),
                );
                for (const [from] of ways) from.send(shared);
                for (const [, to] of ways) {
                  await to.untilBatches(1);
                  const got = to.batches.shift();
                  requireSame(got, whole, `the shared batch at the ${to.side}`);
                  got?.fill(0x20); // it belongs to the receiver now
                }
                for (const [at, part] of shared.entries()) {
                  requireSame(
                    part,
                    before[at] ?? part,
                    "a part that was sent on many links, and has to stay as it was,",
                  );
                }
              }
            }
          }
        }),
    },
  ];
};
