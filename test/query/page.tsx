// A page of React for tests: it is mounted in a real document, as an application would, in StrictMode and with Suspense.
import type { Transport } from "@connectrpc/connect";
import { connect, type Connection } from "@raceway/client";
import type { ClientTransport } from "@raceway/core";
import { websocket } from "@raceway/transport-websocket/client";
import { QueryClient, QueryClientProvider, QueryErrorResetBoundary } from "@tanstack/react-query";
import { Component, type ErrorInfo, Profiler, type ReactNode, StrictMode, Suspense } from "react";
import { createRoot } from "react-dom/client";

export interface Page extends Disposable {
  readonly cache: QueryClient;
  /** What it shows. */
  readonly text: () => string;
  /** How often React has changed it. */
  readonly commits: () => number;
  show(content: ReactNode): void;
  click(label: string): void;
}

/** An empty page; `show` puts something on it. */
export function page(cache: QueryClient = new QueryClient()): Page {
  const place = document.body.appendChild(document.createElement("main"));
  const root = createRoot(place, { onCaughtError: () => {} }); // the boundary shows it
  let commits = 0;
  return {
    cache,
    text: () => place.textContent,
    commits: () => commits,
    show(content) {
      root.render(
        <StrictMode>
          <QueryClientProvider client={cache}>
            <Profiler id="page" onRender={() => commits++}>
              <QueryErrorResetBoundary>
                {({ reset }) => (
                  <Boundary onReset={reset}>
                    <Suspense fallback="waiting">{content}</Suspense>
                  </Boundary>
                )}
              </QueryErrorResetBoundary>
            </Profiler>
          </QueryClientProvider>
        </StrictMode>,
      );
    },
    click(label) {
      const button = [...place.querySelectorAll("button")].find(({ textContent }) => textContent === label);
      if (button === undefined) throw new Error(`There is no button "${label}" on: ${place.textContent}`);
      button.click();
    },
    [Symbol.dispose]() {
      root.unmount();
      place.remove();
      cache.clear();
    },
  };
}

/** Shows what went wrong in place of what it is around, until it is told to try again. */
class Boundary extends Component<
  { readonly children: ReactNode; readonly onReset: () => void },
  { readonly error: Error | undefined }
> {
  override state: { readonly error: Error | undefined } = { error: undefined };
  static getDerivedStateFromError(error: Error): { readonly error: Error } {
    return { error };
  }
  override componentDidCatch(_error: Error, _info: ErrorInfo): void {}
  override render(): ReactNode {
    const { error } = this.state;
    if (error === undefined) return this.props.children;
    const again = (): void => {
      this.props.onReset();
      this.setState({ error: undefined });
    };
    return (
      <>
        failed: {error.message} <button onClick={again}>again</button>
      </>
    );
  }
}

export interface CountedConnection extends AsyncDisposable {
  readonly transport: Transport;
  /** Links that were opened so far; each session that was opened has at least one. */
  readonly links: () => number;
  /** Streams that were begun so far, and those that run. */
  readonly begun: () => number;
  readonly running: () => number;
}

/** A connection of the page that counts what it is asked for. */
export function counted(url: string): CountedConnection {
  let links = 0;
  let begun = 0;
  let running = 0;
  const socket = websocket();
  const counting: ClientTransport = {
    ...socket,
    start(host) {
      const started = socket.start(host);
      return {
        open(...how) {
          links++;
          return started.open(...how);
        },
      };
    },
  };
  const connection: Connection = connect(url, { transports: [counting] });
  return {
    transport: {
      unary: (...asked) => connection.unary(...asked),
      stream(method, signal, ...rest) {
        begun++;
        running++;
        signal?.addEventListener("abort", () => running--, { once: true });
        return connection.stream(method, signal, ...rest);
      },
    },
    links: () => links,
    begun: () => begun,
    running: () => running,
    [Symbol.asyncDispose]: () => connection.close(),
  };
}
