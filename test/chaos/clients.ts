// The clients' process: all sessions of a run.
import type { ClientTransport } from "@raceway/core";
import { answerParent, load } from "./child.ts";
import { ChaosSession, type Kind, type KindResult, kinds, type Rates } from "./session.ts";
import { transportOf, through, type Way, ways } from "./transports.ts";

/** What a session connects by: its own way alone, or all, its own first; each through the door of that way. */
export interface Plan {
  readonly name: string;
  readonly way: Way;
  readonly alone: boolean;
  readonly urls: Readonly<Record<Way, string>>;
  readonly topic: string;
}
export interface SessionResult {
  readonly name: string;
  readonly way: Way;
  readonly resumes: number;
  readonly switches: number;
  readonly story: ChaosSession["story"];
  readonly kinds: Readonly<Record<Kind, KindResult>>;
}

const sessions: { readonly session: ChaosSession; readonly plan: Plan; readonly transports: readonly Way[] }[] = [];

answerParent({
  async connect(plans: readonly Plan[]): Promise<void> {
    for (const plan of plans) {
      const transports = plan.alone ? [plan.way] : [plan.way, ...ways.filter((way) => way !== plan.way)];
      const session = new ChaosSession(plan.name, plan.urls[plan.way], {
        transports: transports.map((way): ClientTransport => through(transportOf(way), plan.urls[way])),
        limits: { helloMs: 2_500, outboxMessages: 100_000, outboxBytes: 16_777_216 },
        backoff: { firstMs: 50, capMs: 500 },
        probeMs: 5_000,
      });
      sessions.push({ session, plan, transports });
    }
    await Promise.all(sessions.map(({ session }) => session.connection.ping().catch(() => undefined)));
  },
  async run(seconds: number, rates: Rates): Promise<readonly SessionResult[]> {
    return Promise.all(
      sessions.map(async ({ session, plan }) => {
        const results = await session.run(seconds, rates, plan.topic);
        return {
          name: plan.name,
          way: plan.way,
          resumes: session.resumes,
          switches: session.switches,
          story: session.story,
          kinds: results,
        };
      }),
    );
  },
  /** Has sessions switch to their next transport, wherever they are; those that have one. */
  async switchSome(from: number, count: number): Promise<number> {
    const able = sessions.filter(({ transports }) => transports.length > 1);
    const chosen = Array.from({ length: Math.min(count, able.length) }, (_, at) => {
      const { session, transports } = able[(from + at) % able.length]!;
      return { session, to: transports[(from + at) % transports.length]! };
    });
    const outcomes = await Promise.allSettled(chosen.map(({ session, to }) => session.connection.switchTo(to)));
    return outcomes.filter(({ status }) => status === "fulfilled").length; // where the way is broken just now, it stays where it was
  },
  /** Those that are not done yet, for people. */
  waiting: (): readonly string[] =>
    sessions.flatMap(({ session, plan }) => {
      const running = kinds.filter((kind) => session.progress[kind] === "runs");
      const { status, transport, reason } = session.connection.state.current;
      return running.length === 0
        ? []
        : [
            `${session.name} (${plan.way}): ${running.join(", ")}; ${status} ${transport ?? ""} ${reason?.message ?? ""}`,
          ];
    }),
  load,
});
