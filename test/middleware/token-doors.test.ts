// Tokens at a native door, where each call shows one.
import { createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { token } from "@raceway/auth-token/server";
import { reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { SignJWT, exportJWK, generateKeyPair } from "jose";
import { expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { LabService } from "../gen/lab/v1/lab_pb.ts";
import { type LabClient, outcome } from "./stage.ts";

it("a signature is checked once for many calls of a moment; a token ends when it says, all the same", async () => {
  const clock = virtualClock();
  const wall = Math.floor(clock.wallNow() / 1_000);
  const [key, other] = await Promise.all([generateKeyPair("ES256"), generateKeyPair("ES256")]);
  const signed = ({ privateKey }: { privateKey: CryptoKey }): Promise<string> =>
    new SignJWT({ iss: "issuer", aud: "lab", sub: "ann", iat: wall, exp: wall + 8 })
      .setProtectedHeader({ alg: "ES256", kid: "one" })
      .sign(privateKey);
  const [shown, forged] = await Promise.all([signed(key), signed(other)]);
  const jwk = { ...(await exportJWK(key.publicKey)), alg: "ES256", kid: "one" };
  const tokens = token({ issuer: "issuer", audience: "lab", clockToleranceMs: 0, keys: { keys: [jwk] } });
  await using app = raceway({ transports: [grpc()], clock, use: [tokens] });
  app.serve(labService, handlers([], clock));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const client = (credential: string): LabClient =>
    createClient(
      LabService,
      createGrpcTransport({
        baseUrl: url,
        interceptors: [
          (next) => (request) => {
            request.header.set("authorization", `Bearer ${credential}`);
            return next(request);
          },
        ],
      }),
    );
  const verify = vi.spyOn(crypto.subtle, "verify");
  try {
    for (let count = 0; count < 5; count++) expect(await outcome(client(shown).peek({ text: "x" }))).toBe("ok");
    expect(verify).toHaveBeenCalledTimes(1);
    for (let count = 1; count <= 2; count++) {
      expect(reasonOf(await outcome(client(forged).peek({ text: "x" })))).toBe("credential_invalid");
      expect(verify).toHaveBeenCalledTimes(1 + count); // what is wrong is not kept
    }
    await clock.advance(5_000);
    expect(await outcome(client(shown).peek({ text: "x" }))).toBe("ok");
    expect(verify).toHaveBeenCalledTimes(4);
    await clock.advance(3_000);
    expect(reasonOf(await outcome(client(shown).peek({ text: "x" })))).toBe("credential_expired");
  } finally {
    verify.mockRestore();
  }
});
