// The compliance kit in a page: the client half of each transport runs in Chromium, the server half in Node, worked through the relay.
import { resolveLimits } from "@raceway/core";
import { relayedServe, transportSubject, type TransportSubjectOptions } from "@raceway/testkit";
import { describeLink } from "@raceway/testkit/vitest";
import { grpc } from "@raceway/transport-grpc/client";
import { poll } from "@raceway/transport-poll/client";
import { sse } from "@raceway/transport-sse/client";
import { websocket } from "@raceway/transport-websocket/client";
import { describe, inject } from "vitest";

const { batchBytes: maxBatchBytes } = resolveLimits();
const relayUrl = inject("relayUrl");

/** A browser opens six HTTP/1.1 connections to one server, and these transports hold up to two for each link. */
const maxLinks = 3;

const subjects: Readonly<Record<string, Omit<TransportSubjectOptions, "serve">>> = {
  websocket: { client: websocket({ maxBatchBytes }), pauseReachesPeer: false },
  poll: { client: poll({ retryMs: 10 }), maxLinks },
  sse: { client: sse({ retryMs: 10 }), maxLinks },
  "sse as text": { client: sse({ format: "text", retryMs: 10 }), maxLinks },
  grpc: { client: grpc({ maxBatchBytes }), maxLinks },
};

for (const [name, subject] of Object.entries(subjects)) {
  describe(`${name}, in a page`, () =>
    describeLink(transportSubject({ ...subject, serve: relayedServe(relayUrl, subject.client.name) })));
}
