// One of the four: a connection that prefers a transport, and a reader of the board that counts.
import { connect, type Connection, type ConnectionSnapshot } from "@raceway/client";
import { clientName } from "../client/client-name.ts";
import { Tally } from "../client/tally.ts";
import { preferring, type TransportName } from "../client/transports.ts";
import { boardClient } from "../gen/ticker/v1/ticker.client.ts";
import { BOARD } from "../server/board-server.ts";
import { asError } from "./until.ts";

/** First look for the preferred transport after a fallback. */
const PROBE_MS = 150;

export class Subscriber implements AsyncDisposable {
  readonly prefers: TransportName;
  readonly connection: Connection;
  readonly tally: Tally = new Tally(1);
  /** Moves from one live link to another. */
  switched = 0;
  /** Lost links after which it went on. */
  resumed = 0;
  /** Transports in use so far, one after another. */
  readonly trail: string[] = [];
  /** What ended the reading, if anything did. */
  failed: Error | undefined;
  #before: ConnectionSnapshot | undefined;
  #closing = false;
  readonly #back: NodeJS.Timeout;

  constructor(url: string, prefers: TransportName) {
    this.prefers = prefers;
    this.connection = connect(url, { transports: preferring(prefers), use: [clientName(prefers)], probeMs: PROBE_MS });
    this.connection.state.subscribe((snapshot) => this.#changed(snapshot));
    // Links that are cut every few seconds lose their rank for a minute; here they are cut by hand, and wanted back.
    this.#back = setInterval(() => {
      const { status, transport } = this.connection.state.current;
      if (status === "open" && transport !== prefers) this.connection.switchTo(prefers).catch(() => {}); // blocked: again later
    }, PROBE_MS);
    this.#read().catch((error: unknown) => {
      if (!this.#closing) this.failed = asError(error);
    });
  }

  /** The transport in use, if there is one. */
  get transport(): string | undefined {
    return this.connection.state.current.transport;
  }

  async #read(): Promise<void> {
    const quotes = boardClient(this.connection).quotes({ board: BOARD }, { from: "start" });
    for await (const { sequence } of quotes) this.tally.add(sequence);
  }

  #changed(now: ConnectionSnapshot): void {
    const before = this.#before;
    this.#before = now;
    if (now.transport === undefined || now.transport === before?.transport) return;
    if (before?.transport !== undefined) this.switched++;
    else if (this.trail.length > 0) this.resumed++;
    this.trail.push(now.transport);
  }

  toString(): string {
    const { status, transport, reason } = this.connection.state.current;
    const { received, missing, duplicates } = this.tally;
    const over = transport === undefined ? `no link (${reason?.rawMessage ?? "no reason"})` : transport;
    return `${this.prefers}: ${status}, ${over}, ${received} received, ${missing} missing, ${duplicates} twice${this.failed === undefined ? "" : `, ${this.failed.message}`}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing = true;
    clearInterval(this.#back);
    await this.connection.close();
  }
}
