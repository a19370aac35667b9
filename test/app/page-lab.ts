// The lab service, and the shop of a later version than its pages know, over all four transports, for tests that run in a page. Vitest's `globalSetup`.
import { generateKeyPairSync, randomBytes } from "node:crypto";
import { compression } from "@raceway/middleware/compression";
import { encryption } from "@raceway/middleware/encryption";
import { verifier } from "@raceway/middleware/signing";
import { type Raceway, raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { poll } from "@raceway/transport-poll/server";
import { sse } from "@raceway/transport-sse/server";
import { websocket } from "@raceway/transport-websocket/server";
import { validate } from "@raceway/validate/server";
import type { TestProject } from "vitest/node";
import { newShop } from "../evolution/shops.ts";
import { type LabPublishers, labService } from "../gen/lab/v1/lab.server.ts";
import { handlers } from "./lab.ts";

declare module "vitest" {
  interface ProvidedContext {
    labUrl: string;
    guarded: GuardedLab;
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const app = raceway({
    transports: [websocket(), sse(), poll(), grpc()],
    use: [compression({ dictionaryBytes: 512 })], // for pages that have it, too
    allowedOrigins: ["*"],
  });
  let peeks = 0;
  const topics: LabPublishers = app.serve(labService, {
    ...handlers([], virtualClock()),
    // Another answer each time, which may be kept for ten minutes.
    peek({ text }, { responseHeader }) {
      responseHeader.set("cache-control", "private, max-age=600");
      return { text: `${text} ${++peeks}` };
    },
    // What is added is published, too, so that a page can make a topic speak; below zero, the numbers from 1 to there, all in one turn.
    async add({ a, b }) {
      const sequences = b < 0 ? Array.from({ length: -b }, (_, at) => at + 1) : [b];
      await Promise.all(
        sequences.map((sequence) =>
          topics.ticks.publish({ board: `page-${a}` }, { sequence, symbol: `page ${a}, row ${sequence}` }),
        ),
      );
      return { sum: a + b };
    },
  });
  newShop(app, []);
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  project.provide("labUrl", url);
  const guarded = await guardedLab();
  project.provide("guarded", guarded.page);
  return async () => {
    await app.close(0);
    await guarded.app.close(0);
  };
}

/** The same for pages that sign, seal and validate what they say; and what such a page has to know. */
async function guardedLab(): Promise<{ readonly app: Raceway; readonly page: GuardedLab }> {
  const pair = generateKeyPairSync("ed25519", {
    privateKeyEncoding: { type: "pkcs8", format: "pem" },
    publicKeyEncoding: { type: "spki", format: "pem" },
  });
  const secret = randomBytes(32).toString("hex");
  const key = randomBytes(32);
  const unsigned = ["lab.v1.LabService/Cursor"];
  const app = raceway({
    transports: [websocket(), sse(), poll(), grpc()],
    use: [
      verifier({ keys: { shared: { secret }, own: { publicKey: pair.publicKey } }, unsigned }),
      encryption({ keys: { page: key }, seal: "page" }),
      validate(),
    ],
    allowedOrigins: ["*"],
  });
  const topics: LabPublishers = app.serve(labService, {
    ...handlers([], virtualClock()),
    async add({ a, b }) {
      await topics.ticks.publish({ board: `page-${a}` }, { sequence: b });
      return { sum: a + b };
    },
  });
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  return { app, page: { url, secret, privateKey: pair.privateKey, key: [...key] } };
}

export interface GuardedLab {
  readonly url: string;
  readonly secret: string;
  readonly privateKey: string;
  readonly key: readonly number[];
}
