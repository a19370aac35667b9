// The staggered race of transports: the first Welcome wins, a transport that fails silently costs a fraction of a second and not a timeout (RFC 8305's idea).
import { ConnectError } from "@connectrpc/connect";
import type { Clock, Timer } from "@raceway/core";
import { type Candidate, Refusal } from "./handshake.ts";

export interface RaceInit {
  /** Best first; at least one. */
  readonly candidates: readonly Candidate[];
  /** The next candidate starts so much later, in milliseconds, or at once when the one before has failed. */
  readonly staggerMs: number;
  readonly clock: Clock;
  /** Makes one attempt; resolves when it has won. Must give up when `signal` is aborted. */
  readonly attempt: (candidate: Candidate, signal: AbortSignal) => Promise<void>;
  readonly signal: AbortSignal;
  /** Told of each that failed by itself. */
  readonly failed: (candidate: Candidate, error: ConnectError) => void;
}

/** What every candidate failed with, or what the server refused all of us with. */
export class RaceLost extends Error {
  /** By candidate, in the order of their failures. */
  readonly errors: readonly (readonly [Candidate, ConnectError])[];
  /** A server was reached and said no: there is no point in asking it by another transport. The last, if several did. */
  readonly refusal: Refusal | undefined;
  constructor(errors: readonly (readonly [Candidate, ConnectError])[], refusal: Refusal | undefined) {
    super("No transport got through.");
    this.errors = errors;
    this.refusal = refusal;
  }
}

/** Resolves with the winner; rejects with a RaceLost when all have failed. All other attempts are given up by then. */
export function race(init: RaceInit): Promise<Candidate> {
  const { candidates } = init;
  return new Promise((resolve, reject) => {
    const stop = new AbortController();
    const errors: [Candidate, ConnectError][] = [];
    let refusal: Refusal | undefined;
    let next = 0;
    let running = 0;
    let timer: Timer | undefined;
    let over = false;
    const finish = (settle: () => void): void => {
      if (over) return;
      over = true;
      timer?.[Symbol.dispose]();
      init.signal.removeEventListener("abort", lost);
      stop.abort();
      settle();
    };
    const lost = (): void => finish(() => reject(new RaceLost(errors, refusal)));
    init.signal.addEventListener("abort", lost);
    if (init.signal.aborted || candidates.length === 0) return lost();
    const start = (): void => {
      timer?.[Symbol.dispose]();
      timer = undefined;
      const candidate = candidates[next++];
      if (candidate === undefined) return;
      running++;
      const following = candidates[next];
      if (following !== undefined) timer = init.clock.after(following.patienceMs ?? init.staggerMs, start);
      init.attempt(candidate, stop.signal).then(
        () => finish(() => resolve(candidate)),
        (cause: unknown) => {
          running--;
          if (over) return;
          if (cause instanceof Refusal) {
            refusal = cause;
            if (cause.ends) return lost();
            while (candidates[next]?.endpoint === candidate.endpoint) next++; // that server would say the same again
          }
          const error = cause instanceof Refusal ? cause.error : ConnectError.from(cause);
          errors.push([candidate, error]);
          init.failed(candidate, error);
          const then = candidates[next];
          if (then === undefined) {
            if (running === 0) lost();
          } else if (running === 0 || then.patienceMs === undefined) start();
        },
      );
    };
    start();
  });
}
