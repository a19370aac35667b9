// Checks of each transport from here: whether a session opens by it alone, how long that and a round trip take, and what to look for if not.
import { ConnectError } from "@connectrpc/connect";
import { reasonOf } from "@raceway/core";
import type { CommandContext } from "../context.ts";
import { dial } from "../remote/dial.ts";
import { type RemoteArguments, type TransportName, transportNames } from "../remote/remote-arguments.ts";
import { type Finding, fine, leftOut, wrong } from "./check.ts";

/** What usually keeps a transport from working where others do. */
const blocked: { readonly [T in TransportName]: string } = {
  websocket:
    "something on the way does not let WebSocket upgrades through: a proxy has to pass on the headers Upgrade and Connection (nginx: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade). Clients go on by the next transport meanwhile.",
  sse: "something on the way holds event streams back until they end: a proxy must not buffer them (nginx: proxy_buffering off, or let the header X-Accel-Buffering through; no compression of text/event-stream). Clients go on by the next transport meanwhile.",
  poll: "something on the way cuts requests that are held, or does not pass POST on: a proxy has to wait for longer than 25 s (nginx: proxy_read_timeout).",
  grpc: "something on the way does not speak HTTP/2 to the server: gRPC needs it end to end (nginx: grpc_pass).",
};

/** `offered` are the server's transports, if it said so. */
export async function checkTransports(
  args: RemoteArguments,
  offered: readonly string[] | undefined,
  context: CommandContext,
): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const asked = args.transport ?? transportNames.filter((name) => offered === undefined || offered.includes(name));
  for (const name of asked) {
    if (offered !== undefined && !offered.includes(name))
      findings.push(wrong(name, "the server does not offer it", "add it to the server's transports."));
    else findings.push(await checkTransport({ ...args, transport: [name] }, name, context));
  }
  for (const name of offered ?? [])
    if (!transportNames.includes(name as TransportName))
      findings.push(leftOut(name, "the command line does not speak it"));
  // What all fail at is no proxy's fault.
  const works = findings.some(({ outcome }) => outcome === "fine");
  return findings.map((one) =>
    works || one.outcome !== "error" || one.mend !== blocked[one.check as TransportName]
      ? one
      : { ...one, mend: "see the first reason; no transport works from here." },
  );
}

async function checkTransport(args: RemoteArguments, name: TransportName, context: CommandContext): Promise<Finding> {
  const began = performance.now();
  try {
    await using connection = await dial(args, context);
    const openMs = Math.round(performance.now() - began);
    const roundTripMs = await connection.ping();
    return fine(name, `opens in ${openMs} ms, a round trip takes ${roundTripMs.toFixed(1)} ms`);
  } catch (error) {
    if (context.stopped()) throw error;
    const message = error instanceof ConnectError ? error.rawMessage : (error as Error).message;
    const reason = reasonOf(error);
    const refused = reason !== undefined && reason !== "no_transport" && !reason.startsWith("link_");
    if (refused)
      return wrong(
        name,
        `the server refuses a session: ${message}`,
        "show a credential with --token or --header, or see the server's log.",
      );
    return wrong(name, `does not open: ${message}`, blocked[name]);
  }
}
