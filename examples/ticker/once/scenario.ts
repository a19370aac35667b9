// What is done to the four connections, step by step; each step waits until what it is about has really happened.
import type { TransportName } from "../client/transports.ts";
import type { BoardServer } from "../server/board-server.ts";
import type { ControlEvent, Controls } from "../server/controls.ts";
import type { Subscriber } from "./subscriber.ts";
import { until } from "./until.ts";

export interface Stage {
  readonly controls: Controls;
  readonly board: BoardServer;
  readonly subscribers: readonly Subscriber[];
  /** All that the server has seen so far. */
  readonly events: readonly ControlEvent[];
  /** Called after each step. */
  readonly done: (what: string) => void;
}

/** How often each thing was done. */
export interface Done {
  cuts: number;
  blocks: number;
  fallbacks: number;
  returns: number;
  switches: number;
  restarts: number;
}

export async function perform(stage: Stage): Promise<Done> {
  const done: Done = { cuts: 0, blocks: 0, fallbacks: 0, returns: 0, switches: 0, restarts: 0 };
  const { subscribers } = stage;
  for (const subscriber of subscribers) {
    await settled(subscriber, (transport) => transport === subscriber.prefers);
  }
  await flowing(subscribers);
  stage.done("four sessions, each over the transport that it prefers");

  for (const subscriber of subscribers) await cut(stage, subscriber, done);
  for (const subscriber of subscribers) await switchOver(stage, subscriber, done);
  await block(stage, "websocket", "refuse", done);
  await block(stage, "poll", "swallow", done);
  await restart(stage, done);
  for (const subscriber of subscribers) await settled(subscriber, (transport) => transport === subscriber.prefers);
  await flowing(subscribers);
  stage.done("all are back on the transport that they prefer");
  return done;
}

/** The link is dropped under the session; the same session goes on. */
async function cut(stage: Stage, subscriber: Subscriber, done: Done): Promise<void> {
  const { controls, events } = stage;
  const { prefers } = subscriber;
  const from = events.length;
  const { resumed } = subscriber;
  if (controls.cut(prefers) !== 1) throw new Error(`There is no one link of ${prefers} to cut.`);
  await until(
    `${prefers} to go on after its link was cut`,
    () => subscriber.resumed > resumed && subscriber.transport !== undefined,
    () => String(subscriber),
  );
  await flowing([subscriber]);
  const seen = (): readonly string[] =>
    events.slice(from).flatMap((event) => ("client" in event && event.client === prefers ? [event.kind] : []));
  await until(
    `the server to resume the session of ${prefers}`,
    () => seen().includes("resumed"),
    () => `It saw ${seen().join(", ")}.`,
  );
  if (seen().includes("opened"))
    throw new Error(`The session of ${prefers} should have been resumed; the server saw ${seen().join(", ")}.`);
  done.cuts++;
  stage.done(`cut ${prefers}: the session resumed over ${subscriber.trail.at(-1)}`);
}

/** From its own transport to another one and back, with quotes on the way. */
async function switchOver(stage: Stage, subscriber: Subscriber, done: Done): Promise<void> {
  const { prefers, connection } = subscriber;
  const other = prefers === "grpc" ? "websocket" : "grpc";
  await settled(subscriber, (transport) => transport === prefers);
  const { resumed } = subscriber;
  await connection.switchTo(other);
  // It may look for its own transport at once, and find it.
  if (!subscriber.trail.slice(-2).includes(other))
    throw new Error(`${prefers} did not switch to ${other}, but went ${subscriber.trail.join(", ")}.`);
  await flowing([subscriber]);
  if (subscriber.transport !== prefers) await connection.switchTo(prefers);
  await settled(subscriber, (transport) => transport === prefers);
  await flowing([subscriber]);
  if (subscriber.resumed !== resumed) throw new Error(`${prefers} lost its link in a switch.`);
  done.switches += 2;
  stage.done(`switched ${prefers} to ${other} and back, in mid-stream`);
}

/** The transport is refused or swallowed: its subscriber falls back, and comes back by itself afterwards. */
async function block(stage: Stage, transport: TransportName, manner: "refuse" | "swallow", done: Done): Promise<void> {
  const subscriber = stage.subscribers.find(({ prefers }) => prefers === transport)!;
  const { resumed } = subscriber;
  const began = performance.now();
  stage.controls.block(transport, manner);
  await until(
    `${transport} to fall back`,
    () => subscriber.resumed > resumed,
    () => String(subscriber),
  );
  await settled(subscriber, (now) => now !== undefined && now !== transport);
  const fallback = subscriber.transport!;
  const tookMs = Math.round(performance.now() - began);
  await flowing([subscriber]);
  done.blocks++;
  done.fallbacks++;
  stage.done(
    `${manner === "refuse" ? "refused" : "swallowed"} ${transport}: fell back to ${fallback} after ${tookMs} ms`,
  );
  stage.controls.unblock(transport);
  await settled(subscriber, (now) => now === transport);
  await flowing([subscriber]);
  done.returns++;
  stage.done(`unblocked ${transport}: came back from ${fallback}`);
}

/** All sessions end; the subscriptions go on by position, in new ones. */
async function restart(stage: Stage, done: Done): Promise<void> {
  const { board, subscribers, events } = stage;
  const from = events.length;
  const before = new Map(subscribers.map((subscriber) => [subscriber, subscriber.resumed]));
  const downMs = Math.round(await board.restart());
  const opened = ({ prefers }: Subscriber): boolean =>
    events.slice(from).some((event) => event.kind === "opened" && event.client === prefers);
  for (const subscriber of subscribers) {
    await until(
      `${subscriber.prefers} to come back after the restart`,
      () => subscriber.resumed > before.get(subscriber)! && opened(subscriber),
      () => String(subscriber),
    );
  }
  await flowing(subscribers);
  done.restarts++;
  stage.done(`restarted the server, ${downMs} ms without one: four new sessions, and each subscription goes on`);
}

async function settled(subscriber: Subscriber, fits: (transport: string | undefined) => boolean): Promise<void> {
  const { current } = subscriber.connection.state;
  if (current.status === "open" && fits(current.transport)) return;
  await until(
    `${subscriber.prefers} to settle`,
    () => subscriber.connection.state.current.status === "open" && fits(subscriber.transport),
    () => `It went ${subscriber.trail.join(", ")}. ${String(subscriber)}`,
  );
}

/** Each of them receives something new. */
async function flowing(subscribers: readonly Subscriber[]): Promise<void> {
  for (const subscriber of subscribers) {
    const { received } = subscriber.tally;
    await until(
      `${subscriber.prefers} to receive more`,
      () => subscriber.tally.received > received,
      () => String(subscriber),
    );
  }
}
