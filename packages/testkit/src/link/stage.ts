// The frame of every link case: opens a link, lets the case act, ends the link, and holds both ends against the rules that always hold.
import { type Case, RuleBroken, require, settle } from "../case.ts";
import { End, type Habits } from "../end.ts";
import { type Batches, type Format, formats, isSame, requireSame } from "../format.ts";
import type { LinkSubject } from "../subject.ts";

export interface BothHabits {
  readonly client?: Habits;
  readonly server?: Habits;
}

/** What the groups of cases work with. */
export interface Stage {
  readonly subject: LinkSubject;
  readonly format: Format;
  readonly batches: Batches;
  /** Opens a link for the case, and checks the common rules when the case is done. */
  withLink(habits: BothHabits, act: (client: End, server: End) => Promise<void>): Promise<void>;
  /** The same for many links at once. */
  withLinks(count: number, act: (pairs: readonly (readonly [End, End])[]) => Promise<void>): Promise<void>;
  /** An end that no link was opened for yet. */
  end(side: string, habits?: Habits): End;
}

export type Group = (stage: Stage) => readonly Case[];

export function stageOf(subject: LinkSubject, format: Format): Stage {
  const patienceMs = subject.patienceMs ?? 10_000;
  const end = (side: string, habits?: Habits): End => new End(side, patienceMs, habits);
  const run = async (pairs: readonly (readonly [End, End])[], act: () => Promise<void>): Promise<void> => {
    const connections: AsyncDisposable[] = [];
    try {
      const opening = await Promise.allSettled(
        pairs.map(([client, server]) => subject.connect(client.opened, server.opened)),
      );
      for (const result of opening) if (result.status === "fulfilled") connections.push(result.value);
      for (const result of opening) if (result.status === "rejected") throw result.reason;
      for (const one of pairs.flat())
        require(one.opens > 0, `connect resolved before opened was called on the ${one.side}`);
      await act();
      for (const [client, server] of pairs) {
        if (client.closed === undefined && server.closed === undefined) client.close();
        await client.untilClosed();
        await server.untilClosed();
      }
      await settle();
    } catch (error) {
      // A broken rule explains more than the wait that came to nothing after it.
      const broken = pairs.flat().flatMap((one) => one.broken);
      const message = error instanceof Error ? error.message : String(error);
      if (broken[0] !== undefined && broken[0] !== message) throw new RuleBroken(`${broken[0]} (and then: ${message})`);
      // Why one end died is often known at the other.
      const reasons = pairs
        .flat()
        .flatMap(({ side, closed }) =>
          closed?.error && !message.includes(closed.error.message)
            ? [`; the ${side} was closed with ${closed.error.message}`]
            : [],
        );
      throw reasons.length === 0 ? error : new RuleBroken(message + reasons.slice(0, 3).join(""));
    } finally {
      for (const connection of connections) await connection[Symbol.asyncDispose]();
    }
    for (const one of pairs.flat()) one.check();
  };
  return {
    subject,
    format,
    batches: formats[format],
    end,
    withLink(habits, act) {
      const client = end("client", habits.client);
      const server = end("server", habits.server);
      return run([[client, server]], () => act(client, server));
    },
    withLinks(count, act) {
      const pairs = Array.from({ length: count }, (_, at) => [end(`client ${at}`), end(`server ${at}`)] as const);
      return run(pairs, () => act(pairs));
    },
  };
}

/** Both directions, for rules that hold in both. */
export function bothWays(client: End, server: End): readonly (readonly [from: End, to: End])[] {
  return [
    [client, server],
    [server, client],
  ];
}

/** Fails unless exactly these batches came, in this order, each whole; or, if a prefix is enough, the first so many of them. */
export function requireBatches(end: End, wanted: readonly Uint8Array[], prefixIsEnough = false): void {
  const count = end.batches.length;
  for (const [at, batch] of wanted.slice(0, count).entries()) {
    const got = end.batches[at];
    const other = isSame(got, batch) ? -1 : wanted.findIndex((candidate) => isSame(got, candidate));
    require(other < 0, `batch ${other + 1} of ${wanted.length} came to the ${end.side} in place of batch ${at + 1}`);
    requireSame(got, batch, `batch ${at + 1} of ${wanted.length} at the ${end.side}`);
  }
  const enough = prefixIsEnough ? count <= wanted.length : count === wanted.length;
  require(enough, `${count} batches came to the ${end.side} in place of ${wanted.length}`);
}

/** Waits until as many came, and then holds them against what was sent. */
export async function expectBatches(end: End, wanted: readonly Uint8Array[]): Promise<void> {
  await end.untilBatches(wanted.length).catch((error: unknown) => {
    requireBatches(end, wanted, true); // that one came damaged tells more than that one did not come
    throw error;
  });
  requireBatches(end, wanted);
}
