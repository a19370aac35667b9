// A connection for one command: open, or an error that says why not; it does not try for ever, as those of programs do.
import { connect, type Connection } from "@raceway/client";
import { type ClientTransport, definePlugin } from "@raceway/core";
import { type CommandContext, UsageError } from "../context.ts";
import { checkSeconds } from "../seconds.ts";
import type { RemoteArguments, TransportName } from "./remote-arguments.ts";

const transports: { readonly [T in TransportName]: () => Promise<ClientTransport> } = {
  websocket: async () => (await import("@raceway/transport-websocket/client")).websocket(),
  sse: async () => (await import("@raceway/transport-sse/client")).sse(),
  poll: async () => (await import("@raceway/transport-poll/client")).poll(),
  grpc: async () => (await import("@raceway/transport-grpc/client")).grpc(),
};

const usual: readonly TransportName[] = ["websocket", "sse", "poll"];

/** Resolves when calls can flow. Rejects with why not: as a server refuses, as the last transport failed, or because the command is to end. */
export async function dial(args: RemoteArguments, context: CommandContext): Promise<Connection> {
  const stopping = context.stopping();
  const url = urlOf(args.url);
  const headers = headersOf(args.header);
  const token = args.token ?? context.env["RACEWAY_TOKEN"] ?? "";
  checkSeconds("timeout", args.timeout);
  if (!args.path.startsWith("/"))
    throw new UsageError(`--path is ${args.path}; it has to begin with a slash, as /raceway.`);
  const introduction = definePlugin({
    name: "command-line",
    start: () => ({
      introduce(introduced) {
        introduced.credential = token;
        for (const [name, value] of headers) introduced.headers.append(name, value);
      },
    }),
  });
  context.progress(`connecting to ${url}`);
  const connection = connect(url, {
    transports: await Promise.all((args.transport ?? usual).map((name) => transports[name]())),
    use: [introduction],
    path: args.path,
  });
  try {
    await opened(connection, args.timeout * 1000, url, stopping);
    return connection;
  } catch (error) {
    await connection.close();
    throw error;
  } finally {
    context.progress("");
  }
}

function opened(connection: Connection, limitMs: number, url: string, stopping: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(
      () => end(() => reject(new Error(`${url} did not answer within ${limitMs / 1000} s.`))),
      limitMs,
    );
    const stop = (): void => end(() => reject(stopping.reason as Error));
    const subscription = connection.state.subscribe(({ status, reason }) => {
      if (status === "open") end(resolve);
      // What a program would try again ends a command.
      else if (status === "offline" || status === "closed")
        end(() => reject(reason ?? new Error(`There is no way to ${url}.`)));
    });
    stopping.addEventListener("abort", stop);
    if (stopping.aborted) stop();
    function end(settle: () => void): void {
      clearTimeout(timer);
      stopping.removeEventListener("abort", stop);
      queueMicrotask(() => subscription[Symbol.dispose]()); // it may not be there yet: the first call comes within `subscribe`
      settle();
    }
  });
}

/** Where something else may be named, too: a file, a revision. As "http://localhost:8080", or "localhost:8080". */
export function isServerAddress(text: string): boolean {
  return /^https?:\/\//.test(text) || /^[\w.-]+:\d+$/.test(text);
}

/** Throws a {@link UsageError} for what is no address of a server. */
export function urlOf(text: string): string {
  const url = text.includes("://") ? text : `http://${text}`;
  if (!/^https?:\/\//.test(url) || !URL.canParse(url))
    throw new UsageError(`${JSON.stringify(text)} is no address of a server. Write it as http://localhost:8080.`);
  const { username, password, search, hash } = new URL(url);
  // Not shown again: it is a secret. Besides, no browser's way to a server takes it.
  if (username + password !== "")
    throw new UsageError("The address has a credential in it. Show it with --token or --header.");
  if (search + hash !== "") throw new UsageError(`${text} has ${search}${hash} behind the address. Leave it out.`);
  return url;
}

/** Throws a {@link UsageError} for a line that is no header. */
export function headersOf(lines: readonly string[] = []): Headers {
  const headers = new Headers();
  for (const line of lines) {
    const at = line.indexOf(":");
    try {
      if (at < 1) throw new Error("there is no colon");
      headers.append(line.slice(0, at).trim(), line.slice(at + 1).trim());
    } catch (error) {
      throw new UsageError(`--header ${JSON.stringify(line)} is no header, as "name: value".`, { cause: error });
    }
  }
  return headers;
}
