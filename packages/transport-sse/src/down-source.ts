// Reads the stream by the platform's EventSource.
import { unquote } from "./down-fetch.ts";
import type { Down, DownSink } from "./down.ts";

/** What is used of EventSource; that of a library will do. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: { readonly data?: string }) => void): void;
  close(): void;
}
export type EventSourceConstructor = new (url: string, init: { readonly withCredentials: boolean }) => EventSourceLike;

const encoder = new TextEncoder();

/** Opens the stream. It cannot be paused: what comes then is for the link to keep. */
export function downBySource(
  Source: EventSourceConstructor,
  url: string,
  withCredentials: boolean,
  sink: DownSink,
): Down {
  const source = new Source(url, { withCredentials });
  let stopped = false;
  const on = (type: string, run: (data: string) => void): void => {
    source.addEventListener(type, ({ data }) => {
      if (stopped) return;
      sink.heard();
      try {
        run(data ?? "");
      } catch (error) {
        failed(error as Error);
      }
    });
  };
  const stop = (): void => {
    stopped = true;
    source.close();
  };
  const failed = (error: Error | string): void => {
    if (stopped) return;
    stop(); // it would open another stream by itself, and that would be another link
    sink.failed(error);
  };
  on("message", (data) => sink.batch(encoder.encode(`${data}\n`)));
  on("quoted", (data) => sink.batch(unquote(data)));
  on("link", (data) => sink.named(data));
  on("close", (data) => sink.closed(data));
  source.addEventListener("error", () => failed("the stream ended, or could not be opened"));
  return { pause() {}, resume() {}, stop };
}
