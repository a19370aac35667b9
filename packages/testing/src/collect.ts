// Reads a stream beside the test, and keeps what came.
import { ConnectError } from "@connectrpc/connect";

/** What came of a stream so far. */
export interface Collected<T> {
  /** Oldest first; grows while the stream goes on. */
  readonly items: readonly T[];
  /** The stream is over, by itself, by an error or by `stop`. */
  readonly ended: boolean;
  /** Why, if it was an error. */
  readonly error: ConnectError | undefined;
  /** Stops reading, which ends the call. */
  stop(): Promise<void>;
}

/** Reads a stream (a feed, a topic, a duplex) to its end without holding up the test. */
export function collect<T>(stream: AsyncIterable<T>): Collected<T> {
  const iterator = stream[Symbol.asyncIterator]();
  const items: T[] = [];
  let ended = false;
  let error: ConnectError | undefined;
  const read = async (): Promise<void> => {
    try {
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) items.push(next.value);
    } catch (thrown) {
      error = ConnectError.from(thrown);
    } finally {
      ended = true;
    }
  };
  void read();
  return {
    items,
    get ended() {
      return ended;
    },
    get error() {
      return error;
    },
    async stop() {
      ended = true;
      await iterator.return?.();
    },
  };
}
