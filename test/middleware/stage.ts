// A server with the lab service under a policy, and clients that come by every way: links of each transport, and the native doors.
import { type Client, type Interceptor, type Transport, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { connect } from "@raceway/client";
import {
  type Backplane,
  type ChannelPolicy,
  type Clock,
  type LimitOptions,
  type Logger,
  type Plugin,
  type PluginList,
  type ServerTransport,
  definePlugin,
  memoryTransport,
  principal,
} from "@raceway/core";
import { nodeClock } from "@raceway/core/node";
import { type Raceway, raceway } from "@raceway/server";
import { grpc as grpcLink } from "@raceway/transport-grpc/client";
import { grpc } from "@raceway/transport-grpc/server";
import { poll as pollLink } from "@raceway/transport-poll/client";
import { poll } from "@raceway/transport-poll/server";
import { sse as sseLink } from "@raceway/transport-sse/client";
import { sse } from "@raceway/transport-sse/server";
import { websocket as websocketLink } from "@raceway/transport-websocket/client";
import { websocket } from "@raceway/transport-websocket/server";
import { handlers } from "../app/lab.ts";
import { type LabHandlers, type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type Front, front } from "./front.ts";

export type LabClient = Client<typeof LabService>;

/** How a client may come: by a session over a transport, or by a door. */
export const wayNames = [
  "memory",
  "websocket",
  "sse",
  "poll",
  "grpc",
  "gRPC door",
  "gRPC-web door",
  "Connect door",
] as const;
/** Ways that differ from one of these in how requests are made, for tests that are quick. */
export const otherWayNames = ["poll short", "Connect door by GET"] as const;
export type WayName = (typeof wayNames)[number] | (typeof otherWayNames)[number];

/** Credentials are "id", or "id scope scope"; "#role" is a role. For tests of what comes after authentication. */
export const names: Plugin = definePlugin({
  name: "names",
  provides: [principal],
  start: () => ({
    session({ context, credential }) {
      const [id = "", ...rights] = (credential ?? "").replace(/^Bearer /, "").split(" ");
      context.set(principal, {
        id,
        method: "names",
        scopes: rights.filter((right) => !right.startsWith("#")),
        roles: rights.filter((right) => right.startsWith("#")).map((right) => right.slice(1)),
      });
    },
  }),
});

export interface Behind {
  readonly client: LabClient;
  readonly cut: () => void;
}

/** Middleware of one client. */
export interface Own {
  readonly use?: PluginList;
  readonly interceptors?: readonly Interceptor[];
}

export interface Stage extends AsyncDisposable {
  readonly app: Raceway;
  readonly url: string;
  readonly topics: LabPublishers;
  /** What handlers were asked. */
  readonly calls: string[];
  /** A client with a credential, by a way; at a door headers go with each request. */
  client(way: WayName, credential?: string, headers?: Readonly<Record<string, string>>): LabClient;
  /** What such a client calls through; with middleware of its own beside what all clients have: plugins in a session, interceptors at a door. */
  transport(way: WayName, credential?: string, own?: Own): Transport;
  /** A client behind a proxy that writes these headers into every request, and can cut what goes through it. Not for memory. */
  behind(way: WayName, credential: string, headers?: Readonly<Record<string, string>>, own?: Own): Promise<Behind>;
}

export async function stage(options: {
  policy?: Readonly<Record<string, ChannelPolicy>>;
  use: PluginList;
  backplane?: Backplane;
  limits?: LimitOptions;
  /** The server's; default: the machine's. */
  clock?: Clock;
  /** Pages of which origins may talk to the server at all. */
  allowedOrigins?: readonly string[];
  handlers?: Partial<LabHandlers>;
  /** What else the app is to serve. */
  also?: (app: Raceway) => void;
  /** Default: silence. */
  log?: Logger;
  /** Middleware of clients with a session. */
  clientUse?: PluginList;
  /** The same of clients at the native doors. */
  doorInterceptors?: readonly Interceptor[];
  /** The time of clients with a session; default: the platform's. */
  clientClock?: Clock;
}): Promise<Stage> {
  const memory = memoryTransport();
  const calls: string[] = [];
  const transports: ServerTransport[] = [memory.server, websocket(), sse(), poll(), grpc()];
  const app = raceway({
    transports,
    use: options.use,
    ...(options.backplane && { backplane: options.backplane }),
    ...(options.limits && { limits: options.limits }),
    ...(options.clock && { clock: options.clock }),
    ...(options.log && { log: options.log }),
    ...(options.allowedOrigins && { allowedOrigins: options.allowedOrigins }),
  });
  const topics = app.serve(
    { ...labService, policy: options.policy ?? {} },
    { ...handlers(calls, nodeClock()), ...options.handlers },
  );
  options.also?.(app);
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const fronts: Front[] = [];
  const closers: (() => Promise<void>)[] = [];
  const links = {
    memory: () => memory.client,
    websocket: websocketLink,
    sse: sseLink,
    poll: pollLink,
    "poll short": () => pollLink({ mode: "short", intervalMs: 10 }),
    grpc: grpcLink,
  };
  const doors = {
    "gRPC door": createGrpcTransport,
    "gRPC-web door": createGrpcWebTransport,
    "Connect door": createConnectTransport,
    "Connect door by GET": (given: Parameters<typeof createConnectTransport>[0]) =>
      createConnectTransport({ ...given, useHttpGet: true }),
  };
  const transportOf = (
    way: WayName,
    credential: string,
    headers: Readonly<Record<string, string>>,
    baseUrl = url,
    own: Own = {},
  ): Transport => {
    if (way in doors) {
      const headed: Interceptor = (next) => (request) => {
        if (credential !== "") request.header.set("authorization", `Bearer ${credential}`);
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request);
      };
      return doors[way as keyof typeof doors]({
        baseUrl,
        httpVersion: "2",
        interceptors: [headed, ...(options.doorInterceptors ?? []), ...(own.interceptors ?? [])],
      } as never);
    }
    const shows = definePlugin({
      name: "shows",
      start: () => ({ introduce: (introduction) => void (introduction.credential = credential) }),
    });
    const connection = connect(baseUrl, {
      transports: [links[way as keyof typeof links]()],
      use: [shows, options.clientUse, own.use],
      probeMs: 0,
      ...(options.clientClock && { clock: options.clientClock }),
    });
    closers.push(() => connection.close());
    return connection;
  };
  return {
    app,
    url,
    topics,
    calls,
    client: (way, credential = "", headers = {}) => createClient(LabService, transportOf(way, credential, headers)),
    transport: (way, credential = "", own = {}) => transportOf(way, credential, {}, url, own),
    async behind(way, credential, headers = {}, own = {}) {
      const proxy: Front = await front(url, way === "grpc" || way.includes("door") ? 2 : 1, headers);
      fronts.push(proxy);
      return { client: createClient(LabService, transportOf(way, credential, {}, proxy.url, own)), cut: proxy.cut };
    },
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      for (const proxy of fronts) await proxy[Symbol.asyncDispose]();
      await app.close(0);
    },
  };
}

/** What became of it: "ok", or the error. */
export async function outcome(run: Promise<unknown>): Promise<unknown> {
  return run.then(
    () => "ok",
    (error: unknown) => error,
  );
}

/** The first message of a stream, and its end. */
export async function first<T>(messages: AsyncIterable<T>): Promise<T | undefined> {
  for await (const message of messages) return message;
  return undefined;
}
