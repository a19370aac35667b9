// How a link comes to be: handed over once, usable at once, never calling back from inside.
import type { Case } from "../case.ts";
import { nextTurn, require, settle } from "../case.ts";
import type { End } from "../end.ts";
import { bothWays, expectBatches, type Group } from "./stage.ts";

export const handover: Group = (stage): readonly Case[] => {
  const { subject, batches } = stage;
  const numbered = (count: number, from = 0): Uint8Array[] =>
    Array.from({ length: count }, (_, at) => batches.make(from + at));
  return [
    {
      name: "hands each end over once, with its name, traits and peer",
      run: () =>
        stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            const { link } = from;
            require(link.transport ===
              subject.name, `Link.transport of the ${from.side} is "${link.transport}", not "${subject.name}"`);
            for (const trait of ["binary", "duplex", "push"] as const) {
              require(link.traits[trait] ===
                subject.traits[
                  trait
                ], `traits.${trait} of the ${from.side}'s link is ${link.traits[trait]}, unlike the transport's`);
            }
            require(link.traits.maxBatchBytes >
              0, `traits.maxBatchBytes of the ${from.side}'s link is ${link.traits.maxBatchBytes}`);
            require(typeof link.peer.address === "string" &&
              typeof link.peer.secure === "boolean", `peer of the ${from.side}'s link lacks address or secure`);
            require(link.peer.header("x-never-sent") ===
              undefined, `peer.header of the ${from.side}'s link knows a header that was not sent`);
            require(link.buffered === 0, `buffered of the ${from.side}'s fresh link is ${link.buffered}`);
            from.send([batches.make(1)]);
            await to.untilBatches(1);
          }
          await settle();
        }),
    },
    {
      name: "delivers what was sent inside opened, before all else",
      run: () => {
        const first = numbered(3);
        const sendFirst = {
          opened: (end: { send(parts: Uint8Array[]): boolean }) => first.forEach((batch) => end.send([batch])),
        };
        return stage.withLink({ client: sendFirst, server: sendFirst }, async (client, server) => {
          const second = numbered(3, 3);
          for (const [from, to] of bothWays(client, server)) {
            await from.pour(second.map((batch) => [batch]));
            await expectBatches(to, [...first, ...second]);
          }
        });
      },
    },
    {
      name: "calls no receiver from inside a method of the link",
      run: async () => {
        // Each answers inside `batch`, and calls every method there: a link that delivers synchronously comes back into itself.
        const count = 20;
        const habits = {
          batch: (
            end: { batches: Uint8Array[]; pause(): void; resume(): void; send(parts: Uint8Array[]): boolean },
            bytes: Uint8Array,
          ) => {
            end.pause();
            end.resume();
            if (end.batches.length < count) end.send([bytes.slice()]);
          },
        };
        await stage.withLink({ client: habits, server: habits }, async (client, server) => {
          client.send([batches.make(7)]);
          await client.untilBatches(count - 1);
          await server.untilBatches(count);
        });
        await stage.withLink({}, async (client, server) => {
          for (const [from, to] of bothWays(client, server)) {
            for (let at = 0; at < 10; at++) {
              to.pause();
              from.send([batches.make(at, 4096)]);
              from.pause();
              to.resume();
              from.resume();
            }
            await to.untilBatches(10);
          }
        });
      },
    },
    {
      name: "may be closed inside opened",
      run: async () => {
        for (const side of ["client", "server"] as const) {
          const client = stage.end("client", side === "client" ? { opened: (end) => end.close() } : {});
          const server = stage.end("server", side === "server" ? { opened: (end) => end.close() } : {});
          const closer = side === "client" ? client : server;
          const other = side === "client" ? server : client;
          // Whether the opening counts as done is the transport's choice; that both ends are over is not.
          const connection = await subject
            .connect(client.opened, server.opened, new AbortController().signal)
            .catch(() => undefined);
          try {
            await closer.untilClosed();
            if (other.opens > 0) await other.untilClosed();
            await settle();
          } finally {
            await connection?.[Symbol.asyncDispose]();
          }
          for (const end of [client, server]) end.check();
        }
      },
    },
    {
      name: "leaves nothing open when it is called off before opened",
      run: async () => {
        // From "before it began" to "probably done": a later abort finds the opening further on.
        const moments: readonly ((abort: () => void) => void | Promise<void>)[] = [
          (abort) => abort(),
          (abort) => queueMicrotask(abort),
          (abort) => nextTurn().then(abort),
          (abort) => nextTurn(2).then(abort),
          (abort) => nextTurn(8).then(abort),
        ];
        const tried: (readonly [End, End])[] = [];
        for (const [at, moment] of [undefined, ...moments].entries()) {
          const client = stage.end("client");
          const server = stage.end("server");
          const calledOff = new AbortController();
          if (moment === undefined) calledOff.abort();
          const connecting = subject.connect(client.opened, server.opened, calledOff.signal).then(
            (connection) => ({ connection }),
            (error: unknown) => ({ error }),
          );
          await moment?.(() => calledOff.abort());
          const result = await connecting;
          if ("connection" in result) {
            require(at !== 0, "it opened a link although the signal was aborted before");
            await using _ = result.connection;
            // It was open before the signal, which then means nothing any more.
            client.send([batches.make(at)]);
            await server.untilBatches(1);
            client.close();
            await client.untilClosed();
          } else {
            require(result.error instanceof Error, "it rejected with something that is no error");
            require(client.opens === 0, "it rejected after opened had been called");
          }
          tried.push([client, server]);
        }
        // The server may hear of a link only after the client has given it up; then it has to hear of its end as well.
        await settle();
        for (const [client, server] of tried) {
          if (server.opens > 0) await server.untilClosed();
          for (const end of [client, server]) end.check();
        }
      },
    },
    {
      name: "carries many links at once, with no cross-talk",
      run: () => {
        const links = Math.min(100, subject.maxLinks ?? 100);
        const each = 5;
        return stage.withLinks(links, async (pairs) => {
          for (let round = 0; round < each; round++) {
            for (const [at, [client, server]] of pairs.entries()) {
              client.send([batches.make(at * 1000 + round, 200)]);
              server.send([batches.make(at * 1000 + 500 + round, 200)]);
            }
          }
          for (const [at, [client, server]] of pairs.entries()) {
            await expectBatches(
              server,
              Array.from({ length: each }, (_, round) => batches.make(at * 1000 + round, 200)),
            );
            await expectBatches(
              client,
              Array.from({ length: each }, (_, round) => batches.make(at * 1000 + 500 + round, 200)),
            );
          }
          // The end of one is not the end of another.
          for (const [at, [client, server]] of pairs.entries())
            if (at % 2 === 0) (at % 4 === 0 ? client : server).close();
          for (const [at, [client, server]] of pairs.entries()) {
            if (at % 2 === 0) continue;
            client.send([batches.make(at)]);
            await server.untilBatches(each + 1);
            server.send([batches.make(at)]);
            await client.untilBatches(each + 1);
          }
        });
      },
    },
  ];
};
