// A server over TLS that asks for client certificates, and clients that show one by every way in: each transport and door, over HTTP/1.1 and HTTP/2.
import { once } from "node:events";
import type { AddressInfo, Server, Socket } from "node:net";
import type { SecureContextOptions, TlsOptions } from "node:tls";
import { type Client, type Transport, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type Connection, connect } from "@raceway/client";
import { type ClientTransport, type PluginList, principal } from "@raceway/core";
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
import { Agent, fetch as undiciFetch } from "undici";
import { WebSocket } from "ws";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type Certificate, authority } from "./certificates.ts";

/** What a client shows, and whom it trusts. */
export interface Shown {
  readonly cert?: string;
  readonly key?: string;
  readonly ca: string;
}

/** By undici, whose agents take what Node's `tls.connect` takes. Node's own fetch is made of it, and gives no access to it. */
function fetchWith(tls: () => Shown): typeof fetch {
  const agents = new Map<string, Agent>();
  const dispatcher = (): Agent => {
    const { cert = "", ...rest } = tls();
    const agent = agents.get(cert) ?? new Agent({ allowH2: false, connect: cert === "" ? rest : { cert, ...rest } });
    agents.set(cert, agent);
    return agent;
  };
  return ((input: string, init: RequestInit) =>
    undiciFetch(input, { ...(init as object), dispatcher: dispatcher() })) as unknown as typeof fetch;
}

const links: Readonly<Record<string, (tls: () => Shown) => ClientTransport>> = {
  websocket: (tls) =>
    websocketLink({
      WebSocket: class extends WebSocket {
        constructor(url: string, protocols: string[]) {
          super(url, protocols, tls());
        }
      },
    }),
  sse: (tls) => sseLink({ fetch: fetchWith(tls) }),
  poll: (tls) => pollLink({ fetch: fetchWith(tls) }),
  grpc: (tls) => grpcLink({ tls }),
};
const doors: Readonly<Record<string, (baseUrl: string, nodeOptions: Shown) => Transport>> = {
  "gRPC door": (baseUrl, nodeOptions) => createGrpcTransport({ baseUrl, nodeOptions }),
  "gRPC-web door over HTTP/1.1": (baseUrl, nodeOptions) =>
    createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
  "Connect door": (baseUrl, nodeOptions) => createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions }),
  "Connect door over HTTP/1.1": (baseUrl, nodeOptions) =>
    createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions }),
};
export const linkNames = Object.keys(links);
export const tlsWays: readonly string[] = [...linkNames, ...Object.keys(doors)];

export interface MutualTls extends AsyncDisposable {
  readonly app: Raceway;
  readonly url: string;
  /** Whose certificate the server's is signed with. */
  readonly house: Certificate;
  /** Whose certificates the server trusts. */
  readonly issuer: Certificate;
  /** Who made calls, as `peek` saw it. */
  readonly seen: string[];
  /** A connection over a link that shows the certificate, or what is given by then. */
  connect(way: string, shown: Certificate | undefined | (() => Certificate), use?: PluginList): Connection;
  /** The same, and by a door. */
  client(way: string, shown?: Certificate): Client<typeof LabService>;
}

/** `strict`: the TLS handshake refuses those whose certificate is not good, before anybody is asked. `host`: makes the server to which the app is attached, in place of its own. */
export async function mutualTls(
  use: PluginList,
  strict = false,
  host?: (tls: SecureContextOptions & TlsOptions) => Server,
): Promise<MutualTls> {
  const [house, issuer] = [authority("the server's"), authority("the clients'")];
  const server = house.issue({ names: ["IP:\x7f\x00\x00\x01"] });
  const seen: string[] = [];
  const app = raceway({ transports: [websocket(), sse(), poll(), grpc()], use });
  app.serve(labService, {
    ...handlers([], nodeClock()),
    peek(_, context) {
      seen.push(context.get(principal).id);
      return {};
    },
    async *count(_, { signal }) {
      yield { value: 1 };
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
    },
  });
  const tls = {
    cert: server.cert,
    key: server.key,
    ca: issuer.cert,
    requestCert: true,
    rejectUnauthorized: strict,
  };
  const closers: (() => Promise<void>)[] = [];
  let url: string;
  if (host === undefined) ({ url } = await app.listen({ port: 0, host: "127.0.0.1", tls }));
  else {
    const foreign = host(tls);
    await app.attach(foreign);
    foreign.listen(0, "127.0.0.1");
    await once(foreign, "listening");
    url = `https://127.0.0.1:${(foreign.address() as AddressInfo).port}`;
    const sockets = new Set<Socket>();
    foreign.on("connection", (socket) => void sockets.add(socket));
    closers.push(async () => {
      foreign.close();
      for (const socket of sockets) socket.destroy(); // clients at doors keep theirs
    });
  }
  const tlsOf = (shown: Certificate | undefined): Shown => ({
    ca: house.cert,
    ...(shown && { cert: shown.cert, key: shown.key }),
  });
  const open: MutualTls["connect"] = (way, shown, plugins = []) => {
    const tls = (): Shown => tlsOf(typeof shown === "function" ? shown() : shown);
    const connection = connect(url, { transports: [links[way]!(tls)], use: plugins, probeMs: 0 });
    closers.push(() => connection.close());
    return connection;
  };
  return {
    app,
    url,
    house,
    issuer,
    seen,
    connect: open,
    client: (way, shown) => createClient(LabService, way in links ? open(way, shown) : doors[way]!(url, tlsOf(shown))),
    async [Symbol.asyncDispose]() {
      for (const close of closers) await close();
      await app.close(0);
    },
  };
}
