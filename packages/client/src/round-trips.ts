// Pings that wait for their Pong, each a promise of milliseconds.
import type { ConnectError } from "@connectrpc/connect";
import type { Clock } from "@raceway/core";

export class RoundTrips {
  readonly #clock: Clock;
  readonly #waiting = new Map<
    number,
    { at: number; resolve: (ms: number) => void; reject: (error: unknown) => void }
  >();
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `send` is given the id of the Ping. */
  begin(send: (id: number) => void): Promise<number> {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { at: this.#clock.now(), resolve, reject });
      send(id);
    });
  }

  /** A Pong came: how long it took; undefined if nobody waits for it. */
  end(id: number): number | undefined {
    const asked = this.#waiting.get(id);
    if (asked === undefined) return undefined;
    this.#waiting.delete(id);
    const ms = this.#clock.now() - asked.at;
    asked.resolve(ms);
    return ms;
  }

  /** The link is gone, and with it the answers. */
  fail(error: ConnectError): void {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}
