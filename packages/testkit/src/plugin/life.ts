// What a plugin owes to its host: sessions that go on, an end within bounds, nothing left behind, and a word of where it takes part.
import { ConnectError } from "@connectrpc/connect";
import {
  type Inspection,
  type Opening,
  type Plugin,
  type PluginList,
  definePlugin,
  inspectPlugins,
} from "@raceway/core";
import { type Case, require } from "../case.ts";
import { testHost } from "../test-host.ts";
import { admits, requireRefused } from "./refusing.ts";
import { PluginKitService, kitContract } from "./service.ts";
import { type Cast, Stage } from "./stage.ts";
import { type KitChannel, type PluginSubject, kitChannels } from "./subject.ts";
import { Listener, Talk, fresh } from "./uses.ts";

/** How long a credential is good for, in milliseconds: shorter than what plugins that limit the time of calls leave a call that is held meanwhile. */
const EXPIRES_MS = 3_000;

/** A server's plugin that a case brings along, behind the subject's: what it notes was admitted by all. */
const expiring = (openings: Opening[]): Plugin =>
  definePlugin({
    name: "kit-expiring",
    start: () => ({
      session(opening) {
        openings.push(opening);
        opening.expiresIn(EXPIRES_MS);
      },
    }),
  });

export function lifeCases(subject: PluginSubject): readonly Case[] {
  const { refusals = [] } = subject;
  const counting = refusals.find(({ after = 0 }) => after > 0);
  const notShared = { what: "state that belongs to a start", met: subject.shares !== true };
  return [
    {
      name: "goes on in mid-call when the link dies and the session resumes on another",
      run: () =>
        goesOn(subject, async (stage) => {
          stage.memory.cut();
        }),
    },
    {
      name: "goes on in mid-call when the session moves to another transport",
      run: () =>
        goesOn(subject, (stage, connection) =>
          stage.within(connection.switchTo("memory-too"), "the move to another transport"),
        ),
    },
    {
      name: "goes on in mid-call when a fresh credential is shown",
      async run() {
        const openings: Opening[] = [];
        await goesOn(
          subject,
          async (stage) => {
            await stage.clock!.advance(EXPIRES_MS * 0.85); // less than a fifth of the time is left
            // On the same link, or over a new one that brings it; and taken, for which other plugins may need a while.
            await stage.still(() => openings.length > 1 && openings.at(-1)!.current, "a fresh credential");
            await stage.clock!.advance(EXPIRES_MS * 0.3); // the first one is over
          },
          () => [expiring(openings)],
        );
      },
    },
    {
      name: "ends in time with calls under way, and leaves no timer",
      run: () => endsWithCalls(subject),
    },
    {
      name: "ends when its host does not come to start, and leaves no timer",
      async run() {
        const stage = new Stage(subject, { after: () => [failing] });
        const why: unknown = await stage.start().then(
          () => undefined,
          (error: unknown) => error,
        );
        require(String(why).includes(FAILING), `the start of the server failed with ${String(why)}`);
        if (subject.client !== undefined) stage.connection();
        await stage.turn();
        await stage[Symbol.asyncDispose]();
        requireQuiet(stage, "a start that failed");
      },
    },
    {
      name: "keeps its state per start: when one server ends, the other goes on",
      needs: notShared,
      async run() {
        const list = subject.server?.() ?? [];
        await using one = new Stage(subject, {}, subject, list);
        await using two = new Stage(subject, {}, subject, list);
        await one.start();
        await two.start();
        await admits(one, await one.client(), "echo", 1);
        const client = await two.client();
        const talk = new Talk(client, two);
        await talk.go(3, "a conversation at a server while another one with the same plugin runs");
        await one[Symbol.asyncDispose]();
        await talk.go(3, "a conversation at a server after another one with the same plugin ended");
        await talk.end();
        for (const channel of kitChannels) await admits(two, client, channel, 1);
      },
    },
    {
      name: "keeps its counts per start: what one server used up, another one has",
      needs: {
        what: "a refusal after some uses, that servers do not share",
        met: notShared.met && counting !== undefined && (counting.server ?? subject.server) !== undefined,
      },
      async run() {
        const cast = { ...subject, ...counting };
        const list = cast.server?.() ?? [];
        await using one = new Stage(subject, {}, cast, list);
        await using two = new Stage(subject, {}, cast, list);
        await one.start();
        await two.start();
        const channel = counting!.of[0]!;
        const client = await one.client();
        await admits(one, client, channel, counting!.after!);
        await requireRefused(one, client, channel, counting!);
        await admits(two, await two.client(), channel, counting!.after!);
      },
    },
    {
      name: "says the same of a channel whenever it is asked, and inspect explains it",
      async run() {
        for (const [first, second] of await inspections(subject)) {
          require(first.problems.length === 0, () =>
            `inspect has it that it would not start: ${first.problems.join("; ")}`);
          for (const [at, channel] of first.channels.entries()) {
            const again = second.channels[at];
            require(JSON.stringify(channel.stations) === JSON.stringify(again?.stations), () =>
              `it changes its mind about taking part in ${channel.path}`);
            for (const { plugin, severity, message } of channel.findings)
              require(severity !== "error", () => `${plugin} cannot serve ${channel.path}: ${message}`);
          }
          for (const { plugin, why } of first.order)
            require(why.length > 0, `inspect gives no reason for the place of ${plugin}`);
        }
      },
    },
    {
      name: "is absent from channels that it leaves alone",
      needs: { what: "channels that it leaves alone", met: (subject.absentFrom ?? []).length > 0 },
      async run() {
        for (const [{ channels }] of await inspections(subject)) {
          for (const name of subject.absentFrom ?? []) {
            const { stations } = channels.find(({ path }) => path === pathOf(name))!;
            const there = Object.entries(stations).filter(([, plugins]) => plugins.includes(subject.name));
            require(there.length === 0, () =>
              `it takes part in ${pathOf(name)}: ${there.map(([station]) => station).join(", ")}`);
          }
        }
      },
    },
  ];
}

const FAILING = "this one does not start";
const failing: Plugin = definePlugin({
  name: "kit-failing",
  start: () => {
    throw new Error(FAILING);
  },
});

/** A server is closed while a call, a conversation and a subscription are under way; what waits after that is what waits without the plugin. */
async function endsWithCalls(subject: PluginSubject): Promise<void> {
  const bare = await closedWithCalls(subject, { visitor: subject.visitor ?? {} });
  const stage = await closedWithCalls(subject, subject);
  requireQuiet(stage, "its end", bare.clock!.timers);
}

async function closedWithCalls(subject: PluginSubject, cast: Cast): Promise<Stage> {
  const stage = new Stage(subject, {}, cast);
  await stage.start();
  const client = await stage.client();
  const text = fresh();
  const held = client.echo({ text, held: true }).then(
    () => undefined,
    (error: unknown) => error,
  );
  await stage.until(() => stage.notes.has(`echo ${text}`), "a call coming to its handler");
  const talk = new Talk(client, stage);
  await talk.go(1, "a conversation");
  const listener = new Listener(client, stage, fresh());
  await listener.live();
  const began = stage.clock!.now();
  await stage.ended(stage.server.close(1_000), "the end of a server that gives calls a second");
  const took = stage.clock!.now() - began;
  require(took < 3_000, `a server that gives calls a second took ${took} ms to end`);
  await stage[Symbol.asyncDispose]();
  const error = await stage.within(held, "the end of a call that was under way");
  require(error === undefined || error instanceof ConnectError, "a call that was under way ended with no call error");
  return stage;
}

/** A conversation, a subscription and a call go on over what happens. */
async function goesOn(
  subject: PluginSubject,
  happens: (stage: Stage, connection: ReturnType<Stage["connection"]>) => Promise<void>,
  after: () => PluginList = () => [],
): Promise<void> {
  await using stage = new Stage(subject, { after });
  await stage.start();
  const { client, connection } = stage.connected();
  const talk = new Talk(client, stage);
  await talk.go(20, "messages before anything happened");
  const room = fresh();
  const listener = new Listener(client, stage, room);
  await listener.live();
  const text = fresh();
  const call = client.echo({ text, held: true });
  await stage.until(() => stage.notes.has(`echo ${text}`), "a call coming to its handler");
  await happens(stage, connection);
  stage.notes.release();
  const answer = await stage.within(call, "a call that was under way");
  require(answer.text === text &&
    stage.notes.count(`echo ${text}`) === 1, "a call that was under way was not answered once");
  await talk.go(20, "more messages after it happened");
  for (let number = 1; number <= 20; number++) await stage.within(stage.publish(room, number), "a publication");
  await stage.until(() => listener.numbers.length >= 20 || listener.over, "news after it happened");
  require(listener.error === undefined, () => `a subscription ended: ${String(listener.error)}`);
  for (const [at, number] of listener.numbers.entries())
    require(number === at + 1, `after it happened, number ${number} came in place of ${at + 1}`);
  await admits(stage, client, "echo", 1);
  await talk.end();
  await listener.leave();
}

function requireQuiet(stage: Stage, after: string, bare = 0): void {
  const timers = stage.clock!.timers - bare;
  require(timers <= 0, `${timers} timers wait after ${after}`);
  const [first] = stage.complaints.lines;
  require(first === undefined, () => `the log has: ${first}`);
}

const pathOf = (channel: KitChannel): string =>
  `/${PluginKitService.typeName}/${PluginKitService.method[channel].name}`;

/** Two inspections of each side that has plugins: of the same plugin on the server, of a new start on the client. */
async function inspections(subject: PluginSubject): Promise<readonly (readonly [Inspection, Inspection])[]> {
  const all: [Inspection, Inspection][] = [];
  if (subject.server !== undefined) {
    await using stage = new Stage(subject);
    all.push([await stage.server.inspect(), await stage.server.inspect()]);
  }
  if (subject.client !== undefined) {
    const list = subject.client();
    const channels = PluginKitService.methods.map((desc) => ({
      path: `/${PluginKitService.typeName}/${desc.name}`,
      service: PluginKitService,
      desc,
      contract: kitContract.channels[desc.localName]!,
      policy: undefined,
      gated: false,
    }));
    const inspect = (): Promise<Inspection> => inspectPlugins(list, channels, testHost("client"));
    all.push([await inspect(), await inspect()]);
  }
  return all;
}
