// A server, a disk, and pages over them that come and go.
import {
  type ConnectOptions,
  type Connection,
  type OutboxEntry,
  type OutboxStore,
  type RestoredCall,
  type StoreHost,
  connect,
} from "@raceway/client";
import { keepOutbox } from "@raceway/client/outbox";
import { type Logger, type PluginList, memoryTransport, silentLogger } from "@raceway/core";
import { raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { type LabClient, labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Gate, gate } from "./gate.ts";
import { handlers } from "./lab.ts";

/** A disk that outlives pages; one page holds it at a time. */
class Disk {
  readonly entries = new Map<string, OutboxEntry>();
  holder: symbol | undefined;
  broken = false;
  /** Writes in the order in which they were asked for. */
  readonly log: string[] = [];

  open(): OutboxStore {
    const me = Symbol();
    let leaving = false;
    const settle = async (): Promise<void> => {
      await Promise.resolve();
      if (this.broken) throw new Error("the disk is full");
    };
    return {
      load: async ({ clock, busy }: StoreHost) => {
        await settle();
        if (this.holder !== undefined) busy();
        while (this.holder !== undefined && !leaving) await new Promise<void>((resolve) => clock.after(100, resolve));
        this.holder = me;
        return structuredClone([...this.entries.values()]);
      },
      put: async (entry) => {
        await settle();
        if (this.holder !== me) return; // the page is gone
        this.log.push(`put ${entry.sentAt === 0 ? "unsent" : "sent"}`);
        this.entries.set(entry.id, structuredClone(entry));
      },
      delete: async (id) => {
        await settle();
        if (this.holder !== me) return;
        this.log.push("delete");
        this.entries.delete(id);
      },
      [Symbol.asyncDispose]: async () => {
        leaving = true;
        if (this.holder === me) this.holder = undefined;
      },
    };
  }
}

export interface Page {
  readonly gate: Gate;
  readonly connection: Connection;
  readonly client: LabClient;
  readonly restored: RestoredCall[];
  readonly warnings: string[];
  /** The links that are open die. */
  cut(): void;
  /** As a page that is closed, or reloaded, or crashes: it says and hears nothing any more. */
  die(): void;
}

export interface Street extends AsyncDisposable {
  readonly clock: VirtualClock;
  readonly calls: readonly string[];
  page(shut: boolean, options?: Partial<ConnectOptions>): Promise<Page>;
  readonly disk: Disk;
}

export async function street(addMs = 0, use: PluginList = []): Promise<Street> {
  const clock = virtualClock();
  const disk = new Disk();
  const memory = memoryTransport();
  const calls: string[] = [];
  const app = raceway({ transports: [memory.server], clock, use, limits: { resumeMs: 1_000 } });
  app.serve(labService, {
    ...handlers(calls, clock),
    async add({ a, b }) {
      calls.push(`add ${a} ${b}`);
      if (addMs > 0) await new Promise<void>((resolve) => clock.after(addMs, resolve));
      return { sum: a + b };
    },
  });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connections: Connection[] = [];
  return {
    clock,
    disk,
    get calls() {
      return calls.filter((call) => !call.startsWith("over"));
    },
    async page(shut, options = {}) {
      const restored: RestoredCall[] = [];
      const warnings: string[] = [];
      let dead = false;
      const door = gate(memory.client, shut);
      const log: Logger = {
        ...silentLogger,
        warn: (message, values) => void warnings.push(`${message}: ${JSON.stringify(values)}`),
      };
      const connection = connect("http://lab", {
        transports: [door.transport],
        clock,
        log,
        ...options,
        outbox: {
          store: keepOutbox(disk.open()),
          onRestored: (call) => void (dead || restored.push(call)),
          ...options.outbox,
        },
      });
      connections.push(connection);
      await clock.settle();
      return {
        gate: door,
        connection,
        client: labClient(connection),
        restored,
        warnings,
        cut: () => memory.cut(),
        die() {
          dead = true;
          door.shut = door.deaf = door.mute = true;
          memory.cut();
          disk.holder = undefined;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const connection of connections) await connection.close();
      await app.close(0);
    },
  };
}
