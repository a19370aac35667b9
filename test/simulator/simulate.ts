// One seed: a server and some clients in a world where things go wrong, then one where they do not, then the end; checked all the way.
import { jsonCodec, protoCodec } from "@raceway/core";
import { Auditor, Network, type PlantName, Violation, World, framePlant } from "@raceway/testkit";
import { SimClient } from "./client.ts";
import { Faults } from "./faults.ts";
import { SimServer } from "./server.ts";
import { type FaultName, type Settings, drawSettings } from "./settings.ts";
import { Stage } from "./stage.ts";

export interface Options {
  /** Keep lines to read. */
  readonly trace?: boolean;
  readonly only?: FaultName | undefined;
  /** A fault of the system under test, put in to see whether it is found. */
  readonly plant?: PlantName | undefined;
}

export interface Outcome {
  readonly seed: number;
  /** What was broken; undefined: nothing. */
  readonly failure: string | undefined;
  readonly hash: string;
  readonly virtualMs: number;
  readonly turns: number;
  readonly batches: number;
  readonly frames: number;
  readonly checked: number;
  readonly faults: Readonly<Record<string, number>>;
  readonly errors: Readonly<Record<string, number>>;
  readonly mostReplayBytes: number;
  readonly settings: Settings;
  readonly lines: readonly string[];
}

/** Longest time from the healing of the world until all is done. */
const PATIENCE_MS = 240_000;
/** Acknowledgements wait for half a second, and travel. */
const REST_MS = 2_500;
/** Timers that may outlive what made them: a topic's linger of 5 s, an old link's 5 s, a handshake's 10 s. */
const LINGER_MS = 12_000;

const OPEN: ReadonlySet<string> = new Set(["open", "switching"]);
const codecs = { json: jsonCodec(), proto: protoCodec() };

export async function simulate(seed: number, options: Options = {}): Promise<Outcome> {
  const settings = drawSettings(seed, options.only);
  const world = new World(seed, { readable: options.trace ?? false });
  const auditor = new Auditor(world, {
    ...settings.limits,
    highWater: Math.max(...settings.kinds.map(({ highWater }) => highWater)),
  });
  const stage = new Stage(world, settings, auditor, options.plant);
  let failure: string | undefined;
  try {
    await live(stage, options);
  } catch (error) {
    failure =
      error instanceof Violation ? error.message : `threw: ${error instanceof Error ? error.stack : String(error)}`;
    world.trace.note("FAILED", "world");
  }
  return {
    seed,
    failure,
    hash: world.trace.hash,
    virtualMs: world.now,
    turns: world.turns,
    batches: auditor.batches,
    frames: auditor.frames,
    checked: stage.checked,
    faults: Object.fromEntries(stage.faults),
    errors: Object.fromEntries(stage.errors),
    mostReplayBytes: auditor.most.replay,
    settings,
    lines: world.trace.lines ?? [],
  };
}

async function live(stage: Stage, options: Options): Promise<void> {
  const { world, settings, auditor } = stage;
  world.audit = () => {
    auditor.look();
    stage.look();
  };
  const plant = framePlant(options.plant, world.chance.fork());
  const server = new SimServer(stage);
  const codec = settings.jsonCodec ? codecs.json : codecs.proto;
  const clients = Array.from(
    { length: settings.clients },
    (_, at) =>
      new SimClient(stage, at + 1, codec, (process) =>
        settings.kinds.map((kind, each) => {
          const network = new Network(world, process, {
            kind,
            wire: settings.wires[each]!,
            watch: auditor,
            plant,
            listening: () => server.listening(kind.transport),
          });
          server.networks.push(network);
          return network;
        }),
      ),
  );
  const faults = new Faults(stage, server, clients);
  server.start();
  for (const client of clients) client.start();
  faults.start();
  await world.run(settings.faultsForMs);

  faults.heal();
  const healedAt = world.now;
  server.quiet = true;
  const subscribed = (): boolean =>
    clients.every((client) => [...client.subscriptions].every(({ reader }) => reader.epoch === "" || reader.caughtUp));
  const open = (): boolean => clients.every(({ connection }) => OPEN.has(connection.state.current.status));
  const done = (): boolean => stage.operations.size === 0 && faults.serving && open() && subscribed();
  // Done may be undone: a link that was dead without knowing is found out. At rest is who stays so.
  const rests = (): boolean => world.now - Math.max(auditor.lastAt, healedAt) > REST_MS && done();
  if (!(await world.run(healedAt + PATIENCE_MS, rests))) throw hung(stage, clients);
  // A link that is dead without knowing keeps acknowledgements back until it is found out; a session whose client went without a goodbye that
  // arrived waits for him.
  const quiet = (): boolean => rests() && auditor.acknowledged && server.sessions === clients.length;
  await world.run(world.now + PATIENCE_MS, quiet);
  auditor.rest();
  if (!done()) throw hung(stage, clients);
  if (server.sessions !== clients.length)
    throw new Violation("rest", `${server.sessions} sessions at the server for ${clients.length} clients`);

  const closing = new Set(clients);
  const close = async (client: SimClient): Promise<void> => {
    await client.close();
    closing.delete(client);
  };
  for (const client of clients) client.process.post(() => stage.watch(close(client)));
  await world.run(world.now + REST_MS);
  if (closing.size > 0) throw new Violation("hung", `${closing.size} connections do not close`);
  stage.watch(server.stop(0));
  await world.run(world.now + LINGER_MS);
  if (server.up) throw new Violation("hung", "the server does not close");
  for (const process of [...clients.map((client) => client.process), ...server.left]) {
    if (!process.dead && process.timers > 0)
      throw new Violation("rest", `${process.name} has timers though all is closed: ${process.timerList}`);
  }
  if (stage.handlers.size > 0)
    throw new Violation("rest", `handlers run though all is closed: ${[...stage.handlers].join(", ")}`);
}

function hung(stage: Stage, clients: readonly SimClient[]): Violation {
  const starving = stage.auditor.starving;
  const names = [...stage.operations].map(({ name }) => name);
  if (starving !== undefined && names.length > 0)
    return new Violation("credit", `${starving} has room and no credit; under way: ${names.join(", ")}`);
  for (const client of clients) {
    const { status, reason } = client.connection.state.current;
    if (status !== "open") names.push(`${client.process.name} is ${status} (${reason?.message ?? ""})`);
    for (const { reader } of client.subscriptions)
      if (!reader.caughtUp) names.push(`a reader of ${client.process.name} stands at ${reader.epoch}/${reader.offset}`);
  }
  return new Violation(
    "hung",
    `${names.join(", ") || "the server"}, ${PATIENCE_MS / 1000} s after the world was well again`,
  );
}
