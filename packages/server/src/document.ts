// The negotiation document, `GET /.well-known/raceway`: what this server speaks, cacheable, with an ETag.
import type { HttpExchange, Limits, ServerTransport } from "@raceway/core";
import { schemaVersion } from "@raceway/core/internal";
import type { Channel } from "./channel.ts";
import { fingerprint } from "./fingerprint.ts";

export const DOCUMENT_PATH = "/.well-known/raceway";

export interface DocumentInit {
  readonly path: string;
  readonly transports: readonly ServerTransport[];
  readonly codecs: readonly string[];
  readonly channels: readonly Channel[];
  readonly limits: Limits;
}

/** Makes the document once; answers `GET` and `HEAD`, with 304 for a client that has it. */
export function serveDocument(init: DocumentInit): (exchange: HttpExchange) => void {
  const text = JSON.stringify({
    versions: [1],
    path: init.path,
    transports: init.transports.map(({ name, traits }) => ({ name, path: `${init.path}/${name}`, traits })),
    codecs: init.codecs,
    limits: {
      messageBytes: init.limits.messageBytes,
      batchBytes: init.limits.batchBytes,
      heartbeatMs: init.limits.heartbeatMs,
      resumeMs: init.limits.resumeMs,
    },
    channels: Object.fromEntries(
      init.channels.map((channel) => [
        channel.path,
        { kind: channel.contract.kind, hash: schemaVersion(channel.desc) },
      ]),
    ),
  });
  const body = new TextEncoder().encode(text);
  const etag = `"${fingerprint(body)}"`;
  const headers = {
    "content-type": "application/json",
    "cache-control": "public, max-age=60",
    "access-control-allow-origin": "*",
    etag,
  };
  return (exchange) => {
    if (exchange.method !== "GET" && exchange.method !== "HEAD") exchange.reply(405, { allow: "GET, HEAD" });
    else if (exchange.peer.header("if-none-match") === etag) exchange.reply(304, headers);
    else exchange.reply(200, headers, exchange.method === "HEAD" ? undefined : body);
  };
}
