// The server of the board, which can be restarted: what it publishes waits until there is one again.
import type { Plugin, Position, ServerTransport } from "@raceway/core";
import { memory, MemoryStorage, type Raceway, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { type BoardPublishers, boardService } from "../gen/ticker/v1/ticker.server.ts";
import type { Controls } from "./controls.ts";
import type { NumberedQuote } from "./replay.ts";
import { SOURCE } from "./trading-days.ts";

export const BOARD = "sp500";

export interface BoardServerInit {
  readonly controls: Controls;
  readonly quotesPerSecond: number;
  /** Lets clients in: `app.listen(…)`, or `app.attach(…)`. */
  readonly open: (app: Raceway) => Promise<unknown>;
}

interface Running {
  readonly app: Raceway;
  readonly board: BoardPublishers;
}

export class BoardServer implements AsyncDisposable {
  readonly #init: BoardServerInit;
  /** Outlives each server, so that a board has one history. It is in memory: the end of the process ends it. */
  readonly #storage = new MemoryStorage();
  readonly #transports: readonly ServerTransport[];
  readonly #names: Plugin;
  #running: Promise<Running>;
  #publishing: Promise<unknown> = Promise.resolve();
  #newest: Position = { epoch: "", offset: 0 };

  constructor(init: BoardServerInit) {
    this.#init = init;
    this.#transports = [websocket(), sse(), grpc(), poll()].map((transport) => init.controls.controllable(transport));
    this.#names = init.controls.plugin();
    this.#running = this.#start();
  }

  /** Resolves once there is a server. */
  async ready(): Promise<void> {
    await this.#running;
  }

  /** One at a time. */
  publish({ sequence, date, close, volume }: NumberedQuote): Promise<void> {
    const published = (async () => {
      const { board } = await this.#running;
      this.#newest = await board.quotes.publish({ board: BOARD }, { sequence, date, close, volume });
    })();
    this.#publishing = published.catch(() => {}); // its caller learns of it
    return published;
  }

  /** Ends the server with all its sessions and sockets, without a goodbye, and starts another one. Resolves with how long there was none, in milliseconds. */
  async restart(told: (what: "stopped" | "started") => void = () => {}): Promise<number> {
    const old = await this.#running;
    await this.#publishing;
    const began = performance.now();
    told("stopped");
    this.#running = this.#end(old).then(() => this.#start());
    await this.#running;
    told("started");
    return performance.now() - began;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const running = await this.#running.catch(() => undefined); // it never started: whoever waited for it knows
    if (running !== undefined) await this.#end(running);
  }

  async #start(): Promise<Running> {
    const app = raceway({
      transports: this.#transports,
      use: [this.#names],
      backplane: memory({ storage: this.#storage }),
    });
    const board = app.serve(boardService, {
      getBoard: () => ({
        title: "S&P 500, daily close",
        source: SOURCE,
        quotesPerSecond: this.#init.quotesPerSecond,
        ...this.#newest,
      }),
    });
    await this.#init.open(app);
    return { app, board };
  }

  async #end({ app }: Running): Promise<void> {
    this.#init.controls.destroyConnections();
    await app.close(0);
  }
}
