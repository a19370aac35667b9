// How a link ends: told once to both ends, after what was sent before; and when it is cut, with nothing half delivered.
import { fail } from "@raceway/core";
import type { Case } from "../case.ts";
import { require, settle } from "../case.ts";
import type { End } from "../end.ts";
import { bothWays, type Group, requireBatches } from "./stage.ts";

export const ending: Group = (stage): readonly Case[] => {
  const { subject, batches } = stage;
  const eachWay = async (act: (from: End, to: End) => Promise<void>): Promise<void> => {
    for (const way of [0, 1]) {
      await stage.withLink({}, async (client, server) => {
        const [from, to] = bothWays(client, server)[way] ?? [client, server];
        await act(from, to);
      });
    }
  };
  const inGoodOrder = (end: End): void => {
    require(end.closed?.error === undefined, () =>
      `the ${end.side} was closed with "${end.closed?.error?.message}" although nothing went wrong`);
  };
  const withError = (end: End): void => {
    require(end.closed?.error !==
      undefined, `the ${end.side} was closed without an error, as if all had been delivered`);
  };
  return [
    {
      name: "delivers what was sent before close, and then closes both ends in good order",
      run: () =>
        eachWay(async (from, to) => {
          const wanted = Array.from({ length: 60 }, (_, number) => batches.make(number, 3000));
          for (const batch of wanted) from.send([batch]);
          from.close();
          await to.untilClosed();
          await from.untilClosed();
          requireBatches(to, wanted);
          inGoodOrder(to);
          inGoodOrder(from);
        }),
    },
    {
      name: "closes both ends with an error when one of them closes with one",
      run: () =>
        eachWay(async (from, to) => {
          from.send([batches.make(1)]);
          await to.untilBatches(1);
          from.send([batches.make(2, 5000)]);
          const error = fail("link_silent", { ms: 1 });
          from.close(error);
          await from.untilClosed();
          require(from.closed?.error ===
            error, `closed on the ${from.side} did not get the error that was given to close`);
          await to.untilClosed();
          withError(to);
          requireBatches(to, [batches.make(1), batches.make(2, 5000)], true); // the second may be lost, not damaged
        }),
    },
    {
      name: "closes once, however often it is asked to",
      run: () =>
        eachWay(async (from, to) => {
          from.close();
          from.close(fail("link_silent", { ms: 1 }));
          from.close();
          await from.untilClosed();
          inGoodOrder(from); // the first word counts
          await to.untilClosed();
          from.close();
          to.close();
          to.close(fail("link_silent", { ms: 1 }));
          await settle();
        }),
    },
    {
      name: "takes nothing after close, and does not mind being asked",
      run: () =>
        eachWay(async (from, to) => {
          from.send([batches.make(1)]);
          from.close();
          require(!from.send([batches.make(2)]), `send after close returned true on the ${from.side}`);
          from.pause();
          from.resume();
          await to.untilClosed();
          await from.untilClosed();
          for (const end of [from, to]) {
            require(!end.send([batches.make(3)]), `send after closed returned true on the ${end.side}`);
            end.pause();
            end.resume();
          }
          await settle();
          requireBatches(to, [batches.make(1)]);
          requireBatches(from, []);
        }),
    },
    {
      name: "ends well when both ends close at once",
      run: () =>
        stage.withLink({}, async (client, server) => {
          client.send([batches.make(1)]);
          server.send([batches.make(2)]);
          client.close();
          server.close();
          await client.untilClosed();
          await server.untilClosed();
          requireBatches(server, [batches.make(1)], true);
          requireBatches(client, [batches.make(2)], true);
        }),
    },
    {
      name: "calls nothing after closed, although the peer goes on sending",
      run: () =>
        eachWay(async (from, to) => {
          for (let at = 0; at < 20; at++) to.send([batches.make(at, 2000)]);
          await from.untilBatches(1);
          from.close();
          for (let at = 20; at < 40; at++) to.send([batches.make(at, 2000)]);
          await from.untilClosed();
          await to.untilClosed();
          await settle();
          requireBatches(
            from,
            Array.from({ length: 40 }, (_, at) => batches.make(at, 2000)),
            true,
          );
        }),
    },
    {
      name: "may be closed inside batch",
      run: async () => {
        for (const side of ["client", "server"] as const) {
          await stage.withLink({ [side]: { batch: (end: End) => end.close() } }, async (client, server) => {
            const [closer, other] = side === "client" ? [client, server] : [server, client];
            other.send([batches.make(1)]);
            await closer.untilClosed();
            await other.untilClosed();
            inGoodOrder(closer);
          });
        }
      },
    },
    ...cutCases(stage, withError),
    {
      name: "opens a new link after one has ended",
      run: async () => {
        for (let round = 0; round < 3; round++) {
          await eachWay(async (from, to) => {
            from.send([batches.make(round)]);
            await to.untilBatches(1);
            requireBatches(to, [batches.make(round)]);
            if (round === 1) await subject.cut?.();
            else from.close();
          });
        }
      },
    },
  ];
};

/** What holds when the connection underneath dies: whole batches or none, and both ends are told, unless the transport mends it unseen. */
function cutCases(
  { subject, batches, withLink }: Parameters<Group>[0],
  withError: (end: End) => void,
): readonly Case[] {
  const needs = { what: "a way to cut the connection", met: subject.cut !== undefined };
  const survivesOrDies = async (from: End, to: End, wanted: readonly Uint8Array[]): Promise<void> => {
    await to.until(
      () => to.closed !== undefined || to.batches.length >= wanted.length,
      "the rest of the batches, or closed, after the connection was cut",
    );
    if (to.batches.length >= wanted.length && to.closed === undefined && from.closed === undefined) {
      await settle();
    }
    if (to.closed === undefined && from.closed === undefined) {
      requireBatches(to, wanted); // it came through: then nothing may be missing
      return;
    }
    await to.untilClosed();
    await from.untilClosed();
    withError(to);
    withError(from);
    requireBatches(to, wanted, true);
  };
  return [
    {
      name: "delivers no part of a batch when it dies in the middle of one",
      needs,
      run: async () => {
        for (const way of [0, 1]) {
          for (const afterBytes of [1, 1000, 70_000, 300_000]) {
            await withLink({}, async (client, server) => {
              const [from, to] = bothWays(client, server)[way] ?? [client, server];
              const size = Math.min(200_000, from.link.traits.maxBatchBytes);
              const count = Math.max(2, Math.ceil(afterBytes / size) + 1); // more than what passes before the cut
              const wanted = Array.from({ length: count }, (_, number) => batches.make(number, size));
              await subject.cut?.(afterBytes);
              for (const batch of wanted) from.send([batch]);
              await survivesOrDies(from, to, wanted);
            });
          }
        }
      },
    },
    {
      name: "tells both ends when it is cut while idle, and while both send",
      needs,
      run: async () => {
        for (const busy of [false, true]) {
          await withLink({}, async (client, server) => {
            const up: Uint8Array[] = [];
            const down: Uint8Array[] = [];
            for (let number = 0; busy && number < 30; number++) {
              up.push(batches.make(number, 4000));
              down.push(batches.make(100 + number, 4000));
              client.send([batches.make(number, 4000)]);
              server.send([batches.make(100 + number, 4000)]);
            }
            await subject.cut?.();
            if (!busy) {
              // An idle link that mends itself proves that it lives by carrying something.
              await settle();
              up.push(batches.make(1));
              client.send([batches.make(1)]);
            }
            await survivesOrDies(client, server, up);
            if (client.closed === undefined)
              await client.until(
                () => client.closed !== undefined || client.batches.length >= down.length,
                "the batches of the server",
              );
            requireBatches(client, down, client.closed !== undefined);
          });
        }
      },
    },
  ];
}
