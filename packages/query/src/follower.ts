// One subscription behind a query of TanStack's cache: what comes goes into the query, once per turn, for as long as somebody looks at it.
import { type Clock, type Position, type Timer, fail, reasonOf } from "@raceway/core";
import type { Query, QueryClient } from "@tanstack/query-core";

/** What is followed, and what is made of it. */
export interface Plan<T = unknown, D = unknown> {
  /** Of the channel, for errors. */
  readonly path: string;
  readonly clock: Clock;
  /** The subscription ends so long after the last one has looked away. */
  readonly graceMs: number;
  open(opening: Opening): Source<T>;
  /** Once per turn. `before` is what the query has; undefined: begin anew. Undefined: there is nothing yet. */
  fold(before: D | undefined, messages: readonly T[]): D | undefined;
  failure(cause: unknown): Error;
}
export interface Opening {
  /** Go on after this. */
  readonly after: Position | undefined;
  /** To be called when the server has taken the subscription. */
  readonly opened: () => void;
  /** To be called when events are gone: what was before them is not continued. */
  readonly reset: () => void;
}
/** A subscription of the client, or another stream, which has no position. */
export type Source<T> = AsyncIterable<T> & { readonly position?: Position | undefined };

/**
 * - `opening`: a `queryFn` waits for the first data.
 * - `live`: data is there, and messages go into it.
 * - `ended`: all messages have; the server ended the stream.
 * - `failed`, `stopped`: no more come. The query says so (`error`), or is stale.
 */
type Status = "opening" | "live" | "ended" | "failed" | "stopped";

export class Follower {
  /** Of the last message that is in the query's data: another follower may go on from there. */
  position: Position | undefined;
  readonly #client: QueryClient;
  readonly #query: Query;
  readonly #plan: Plan;
  readonly #over: () => void;
  readonly #first: PromiseWithResolvers<unknown> = Promise.withResolvers();
  #status: Status = "opening";
  #source: Source<unknown> | undefined;
  #iterator: AsyncIterator<unknown> | undefined;
  /** Came, and did not go into the query yet; and where the last of it stands. */
  #waiting: unknown[] = [];
  #reached: Position | undefined;
  #scheduled = false;
  /** What the query has is not continued, but replaced. */
  #anew: boolean;
  /** Events are gone, and the query does not show it yet. */
  #isReset = false;
  /** The stream is over; with an error, or well. */
  #outcome: { readonly error?: Error } | undefined;
  #grace: Timer | undefined;

  /** Goes on after `position` if the query still has what came before; `over` is called once, when no more will come. */
  constructor(client: QueryClient, query: Query, plan: Plan, position: Position | undefined, over: () => void) {
    this.#client = client;
    this.#query = query;
    this.#plan = plan;
    this.#over = over;
    this.position = query.state.data === undefined ? undefined : position;
    this.#anew = this.position === undefined;
    this.#first.promise.catch(() => {}); // whoever waits for it is told, and perhaps nobody does
  }

  /** Nothing has to be fetched. While it opens, something has: a `queryFn` that waits for it, perhaps after another was aborted. */
  get upToDate(): boolean {
    return this.#status === "live" || this.#status === "ended";
  }
  /** Another `queryFn` may wait for it, or take what is there. Where data was taken away, by `resetQueries` for one, all begins anew. */
  get joinable(): boolean {
    return this.#status === "opening" || (this.#status === "live" && this.#query.state.data !== undefined);
  }

  start(): void {
    const opening: Opening = {
      after: this.position,
      opened: () => this.#opened(),
      // After what was read before it, which is on its way through a settled promise.
      reset: () => queueMicrotask(() => this.#reset()),
    };
    this.#read(opening).then(
      () => this.#finish({}),
      (cause: unknown) => this.#finish({ error: this.#plan.failure(cause) }),
    );
  }

  /** For a `queryFn`. */
  data(): Promise<unknown> {
    this.look();
    return this.#status === "live" ? Promise.resolve(this.#query.state.data) : this.#first.promise;
  }

  /** Somebody came to look at the query, or left. */
  look(): void {
    if (!this.#running) return;
    const isWaitedFor = this.#status === "opening" && this.#query.state.fetchStatus !== "idle";
    if (!isWaitedFor && !this.#query.isActive()) return this.#release();
    this.#grace?.[Symbol.dispose]();
    this.#grace = undefined;
  }

  /** A `queryFn` was aborted: by its caller, or because nobody looks any more, in which case somebody may at once look again. */
  abandon(): void {
    if (this.#status !== "opening") return;
    if (this.#query.isActive()) this.stop();
    else this.#release();
  }

  #release(): void {
    this.#grace ??= this.#plan.clock.after(this.#plan.graceMs, () => this.stop());
  }

  stop(): void {
    if (!this.#running) return;
    const isOpening = this.#status === "opening";
    this.#end("stopped");
    if (isOpening) this.#first.reject(fail("call_cancelled"));
    this.#query.invalidate();
  }

  get #running(): boolean {
    return this.#status === "opening" || this.#status === "live";
  }

  async #read(opening: Opening): Promise<void> {
    this.#source = this.#plan.open(opening);
    const iterator = this.#source[Symbol.asyncIterator]();
    this.#iterator = iterator;
    for (;;) {
      const next = await iterator.next();
      if (next.done === true || !this.#running) return;
      this.#waiting.push(next.value);
      this.#reached = this.#source.position;
      this.#schedule();
    }
  }

  /** Nothing has to be waited for where something is shown already. */
  #opened(): void {
    if (this.#status !== "opening" || this.#anew) return;
    this.#live(this.#query.state.data);
  }

  #reset(): void {
    if (!this.#running) return;
    this.#flush();
    this.#anew = true;
    this.#isReset = true;
    this.#schedule();
  }

  #finish(outcome: { readonly error?: Error }): void {
    if (!this.#running) return;
    this.#outcome = outcome;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#plan.clock.loopEnd(() => {
      this.#scheduled = false;
      if (this.#running) this.#flush();
    });
  }

  /** What came in this turn goes into the query as one; an end comes a turn later than data that a `queryFn` waits for, since it is TanStack that puts that in. */
  #flush(): void {
    const wasOpening = this.#status === "opening";
    const endedWell = this.#outcome !== undefined && this.#outcome.error === undefined;
    if (this.#waiting.length > 0 || this.#isReset || (wasOpening && endedWell)) this.#take();
    if (this.#outcome === undefined || !this.#running) return;
    if (wasOpening && this.#status === "live") this.#schedule();
    else if (this.#outcome.error !== undefined) this.#fail(this.#outcome.error);
    else if (wasOpening) this.#fail(this.#plan.failure(fail("reply_missing", { path: this.#plan.path })));
    else this.#end("ended");
  }

  #take(): void {
    const { data } = this.#query.state;
    if (this.#status === "live" && data === undefined) return this.stop(); // somebody took it away
    const messages = this.#waiting;
    this.#waiting = [];
    let folded: unknown;
    try {
      folded = this.#plan.fold(this.#anew ? undefined : data, messages);
    } catch (cause) {
      return this.#fail(this.#plan.failure(cause));
    }
    if (messages.length > 0) this.position = this.#reached;
    const shown = folded ?? (this.#isReset ? data : undefined);
    this.#anew = false;
    this.#isReset = false;
    if (shown === undefined) return;
    if (this.#status === "opening") this.#live(shown);
    else this.#client.setQueryData(this.#query.queryKey, shown);
  }

  #live(data: unknown): void {
    this.#status = "live";
    // A `queryFn` that was aborted does not hand it on.
    if (this.#query.state.fetchStatus === "idle") this.#client.setQueryData(this.#query.queryKey, data);
    this.#first.resolve(data);
    this.look();
  }

  #fail(error: Error): void {
    const wasOpening = this.#status === "opening";
    if (reasonOf(error) === "history_gone") this.position = undefined; // told once; whoever tries again begins anew
    this.#end("failed");
    this.#first.reject(error);
    if (wasOpening) return; // TanStack tells
    const query = this.#query;
    query.setState({
      status: "error",
      error,
      errorUpdateCount: query.state.errorUpdateCount + 1,
      errorUpdatedAt: this.#plan.clock.wallNow(),
      fetchFailureCount: 1,
      fetchFailureReason: error,
      isInvalidated: true,
    });
    const { onError, onSettled } = this.#client.getQueryCache().config;
    onError?.(error, query as unknown as Query<unknown, unknown>);
    onSettled?.(query.state.data, error, query as unknown as Query<unknown, unknown>);
  }

  #end(status: "ended" | "failed" | "stopped"): void {
    this.#status = status;
    this.#waiting = [];
    this.#grace?.[Symbol.dispose]();
    this.#iterator?.return?.().catch(() => {}); // it may have ended by itself
    this.#over();
  }
}
