// What goes wrong in a simulated world, and when: drawn from the seed until the world is to heal.
import type { Network, Opening, SimLink } from "@raceway/testkit";
import type { SimClient } from "./client.ts";
import type { SimServer } from "./server.ts";
import type { FaultName } from "./settings.ts";
import type { Stage } from "./stage.ts";

export class Faults {
  readonly #stage: Stage;
  readonly #server: SimServer;
  readonly #clients: readonly SimClient[];
  #healed = false;
  /** Restarts under way. */
  #restarts = 0;

  constructor(stage: Stage, server: SimServer, clients: readonly SimClient[]) {
    this.#stage = stage;
    this.#server = server;
    this.#clients = clients;
  }

  start(): void {
    if (this.#stage.settings.faults.length > 0) this.#next();
  }

  #next(): void {
    const { world, settings } = this.#stage;
    world.at(
      world.now + world.chance.wait(settings.faultEveryMs),
      () => {
        if (this.#healed) return;
        this.#happen(world.chance.pick(settings.faults));
        this.#next();
      },
      true,
    );
  }

  /** No more faults; the network is well again. What is already broken stays so, to be found. */
  heal(): void {
    this.#healed = true;
    this.#stage.world.trace.note("HEAL", "world");
    for (const client of this.#clients) {
      for (const network of client.networks) {
        network.opening = "well";
        network.heal();
      }
    }
    if (!this.#server.up && this.#restarts === 0) this.#server.start();
  }
  get serving(): boolean {
    return this.#server.up && this.#restarts === 0;
  }

  #happen(name: FaultName): void {
    const { world } = this.#stage;
    const { chance } = world;
    const client = chance.pick(this.#clients);
    const network = chance.pick(client.networks);
    const link = newest(network);
    const where = `${client.process.name}.${network.kind.transport}`;
    const did = (at = where): void => this.#stage.fault(name, at);
    const opens = (opening: Opening, forMs: number): void => {
      did();
      network.opening = opening;
      world.at(
        world.now + forMs,
        () => {
          if (network.opening === opening) network.opening = "well";
        },
        true,
      );
    };
    switch (name) {
      case "cut":
        if (link === undefined) return;
        did(link.client.name);
        link.cut();
        return;
      case "cut all":
        did("world");
        for (const each of this.#clients)
          for (const one of each.networks) for (const every of [...one.links]) if (!every.over) every.cut();
        return;
      case "stall": {
        if (link === undefined) return;
        did(link.client.name);
        const flow = link.stall(chance.pick(["up", "down", "both"] as const));
        world.at(world.now + chance.spread(20, 8_000), flow, true);
        return;
      }
      case "black hole":
        if (link === undefined) return;
        did(link.client.name);
        link.stall(chance.pick(["up", "down", "both"] as const));
        return;
      case "half-close":
        if (link === undefined) return;
        did(link.client.name);
        link.halfClose(chance.pick(["client", "server"] as const), false);
        return;
      case "refuse":
        return opens("refused", chance.spread(50, 5_000));
      case "slow open":
        return opens("slow", chance.spread(50, 5_000));
      case "swallow":
        return opens("swallowed", chance.spread(50, 5_000));
      case "stillborn":
        return opens("stillborn", chance.spread(50, 5_000));
      case "deaf":
        return opens("deaf", chance.spread(50, 2_000));
      case "partition": {
        did(client.process.name);
        for (const each of client.networks) each.partition();
        world.at(
          world.now + chance.spread(50, 8_000),
          () => {
            for (const each of client.networks) each.heal();
          },
          true,
        );
        return;
      }
      case "client stalls":
        did(client.process.name);
        client.process.stall(chance.spread(10, 6_000));
        return;
      case "server stalls":
        if (this.#server.process === undefined) return;
        did(this.#server.process.name);
        this.#server.process.stall(chance.spread(10, 4_000));
        return;
      case "switch":
        did();
        client.switch();
        return;
      case "reconnect":
        did(client.process.name);
        client.process.post(() => this.#stage.watch(client.reconnect()));
        return;
      case "restart":
        this.#restart(async () => this.#server.stop(chance.pick([0, 200, 2_000])), did);
        return;
      case "crash":
        this.#restart(async () => this.#server.crash(chance.maybe(0.5)), did);
    }
  }

  #restart(down: () => Promise<void>, did: (at: string) => void): void {
    if (!this.#server.up || this.#restarts > 0) return;
    const { world } = this.#stage;
    did("server");
    this.#restarts++;
    const up = async (): Promise<void> => {
      await down();
      world.at(
        world.now + world.chance.spread(10, 3_000),
        () => {
          this.#restarts--;
          this.#server.start();
        },
        true,
      );
    };
    this.#stage.watch(up());
  }
}

/** The link that was opened last and is still open. */
function newest(network: Network): SimLink | undefined {
  let last: SimLink | undefined;
  for (const link of network.links) if (!link.over) last = link;
  return last;
}
