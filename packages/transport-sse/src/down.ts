// What comes down, however it is read: by `fetch` or by EventSource.

/** Gets what the stream says. No call after `stop`, nor after `ended` or `failed`. */
export interface DownSink {
  /** Any sign of life, before what it brings is told. */
  heard(): void;
  /** The stream is open, and this is the link's name. */
  named(name: string): void;
  batch(bytes: Uint8Array): void;
  /** The server has closed the link: "" in good order. */
  closed(reason: string): void;
  /** The stream is over, and nobody said why; or what came was not what was asked for. */
  failed(error: Error | string): void;
}

/** A stream under way. */
export interface Down {
  pause(): void;
  resume(): void;
  stop(): void;
}
