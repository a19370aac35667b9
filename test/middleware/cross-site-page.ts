// A page that talks to a server with its visitor's cookie: the server's own page, or one of somebody else.
import { csrf } from "@raceway/auth-session/client";
import { connect } from "@raceway/client";
import { type ClientTransport, reasonOf } from "@raceway/core";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { labClient } from "../gen/lab/v1/lab.client.ts";

const links: Readonly<Record<string, () => ClientTransport>> = {
  websocket: () => websocket(),
  sse: () => sse({ credentials: true }),
  eventsource: () => sse({ credentials: true, reader: "eventsource", format: "text" }),
  poll: () => poll({ credentials: true }),
  "gRPC-web": () => grpc({ credentials: true }),
  Connect: () => grpc({ credentials: true, protocol: "connect" }),
};
const PEEK = "/lab.v1.LabService/Peek";
const question = (text: string): string => JSON.stringify({ text });
const doors: Readonly<Record<string, (url: string, text: string) => Promise<Response>>> = {
  "Connect door": (url, text) =>
    fetch(`${url}${PEEK}`, {
      method: "POST",
      credentials: "include",
      headers: { "content-type": "application/json" },
      body: question(text),
    }),
  "Connect GET": (url, text) =>
    fetch(`${url}${PEEK}?connect=v1&encoding=json&message=${encodeURIComponent(question(text))}`, {
      credentials: "include",
    }),
  // As an image does: the answer stays hidden, but what it does is done.
  "Connect GET of an image": (url, text) =>
    fetch(`${url}${PEEK}?connect=v1&encoding=json&message=${encodeURIComponent(question(text))}`, {
      mode: "no-cors",
      credentials: "include",
    }),
  // As a form does.
  "POST of a form": (url, text) =>
    fetch(`${url}${PEEK}`, {
      method: "POST",
      mode: "no-cors",
      credentials: "include",
      headers: { "content-type": "text/plain" },
      body: question(text),
    }),
};

export interface CrossSitePage {
  readonly links: readonly string[];
  readonly doors: readonly string[];
  /** Asks the server to `peek` at a text: "ok", or why not. */
  link(name: string, url: string, text: string): Promise<string>;
  door(name: string, url: string, text: string): Promise<string>;
  /** Has a session by a link until its cookie was renewed at "/renew" and the first one is over, and goes on with it: "ok", or why not. */
  stay(name: string, url: string, text: string, untilMs: number): Promise<string>;
}

const page: CrossSitePage = {
  links: Object.keys(links),
  doors: Object.keys(doors),
  async link(name, url, text) {
    const connection = connect(url, { transports: [links[name]!()], use: [csrf()], probeMs: 0 });
    // A page is not told what a preflight was answered, and tries again: the connection says so, the call waits.
    const offline = new Promise<string>((resolve) =>
      connection.state.subscribe(({ status, reason }) => {
        if (status === "offline") resolve(reasonOf(reason) ?? String(reason));
      }),
    );
    const answer = labClient(connection)
      .peek({ text })
      .then(
        () => "ok",
        (error: unknown) => reasonOf(error) ?? String(error),
      );
    try {
      return await Promise.race([answer, offline]);
    } finally {
      await connection.close();
    }
  },
  async stay(name, url, text, untilMs) {
    const { promise: renewed, resolve } = Promise.withResolvers<void>();
    const renew = async (): Promise<void> => {
      const { ok, status } = await fetch("/renew", { method: "POST" });
      if (!ok) throw new Error(`status ${status}`);
      resolve();
    };
    const connection = connect(url, { transports: [links[name]!()], use: [csrf({ renew })], probeMs: 0 });
    try {
      await labClient(connection).peek({ text });
      await renewed;
      await new Promise((over) => setTimeout(over, untilMs - Date.now()));
      await labClient(connection).peek({ text });
      return "ok";
    } catch (error) {
      return reasonOf(error) ?? String(error);
    } finally {
      await connection.close();
    }
  },
  door: (name, url, text) =>
    doors[name]!(url, text).then(
      async (response) =>
        response.ok ? "ok" : response.type === "opaque" ? "hidden" : `${response.status} ${await response.text()}`,
      (error: unknown) => String(error),
    ),
};
Object.assign(globalThis, { crossSite: page });
