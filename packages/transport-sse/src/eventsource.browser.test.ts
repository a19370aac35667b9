// The link cases of the kit with the EventSource of a real browser; that the page reads by `fetch` as well is in test/compliance.browser.test.ts.
import { linkCases, relayedServe, transportSubject } from "@raceway/testkit";
import { registerCases } from "@raceway/testkit/vitest";
import { afterAll, inject } from "vitest";
import { sse } from "./client.ts";

/** A browser opens six HTTP/1.1 connections to one server, and a link holds up to two. */
const maxLinks = 3;
const client = sse({ reader: "eventsource", retryMs: 10 });
const subject = transportSubject({
  client,
  maxLinks,
  pauseReachesPeer: false,
  serve: relayedServe(inject("relayUrl"), client.name),
});

registerCases(linkCases(subject, { format: "json" }));
afterAll(() => subject[Symbol.asyncDispose]?.());
