// Options of OAuth 2 that cannot work, or would not be safe.
import { clientCredentials } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { reasonOf } from "@raceway/core";
import { describe, expect, it } from "vitest";

describe("options that cannot work are refused where they are written", () => {
  const fine = { issuer: "https://issuer.example", clientId: "a", clientSecret: "b" };
  it.each<[string, () => unknown, string]>([
    ["no URL", () => clientCredentials({ ...fine, issuer: "issuer" }), "issuer"],
    ["an issuer in clear", () => clientCredentials({ ...fine, issuer: "http://issuer.example" }), "allowInsecure"],
    ["a server's in clear", () => oauth({ issuer: "http://issuer.example", audience: "a" }), "allowInsecure"],
    ["an issuer with a query", () => clientCredentials({ ...fine, issuer: "https://issuer.example?x" }), "issuer"],
    ["no client", () => clientCredentials({ ...fine, clientId: "" }), "clientId"],
    ["no way to show who it is", () => clientCredentials({ issuer: fine.issuer, clientId: "a" }), "clientSecret"],
    ["two ways", () => clientCredentials({ ...fine, privateKey: {} as never }), "clientSecret"],
    [
      "a key without an algorithm",
      () => clientCredentials({ issuer: fine.issuer, clientId: "a", privateKey: { kty: "EC", d: "x" } as never }),
      "privateKey",
    ],
    [
      "a public key",
      () =>
        clientCredentials({
          issuer: fine.issuer,
          clientId: "a",
          privateKey: { kty: "EC", crv: "P-256", alg: "ES256", x: "x" },
        }),
      "privateKey",
    ],
    ["a resource that is no URL", () => clientCredentials({ ...fine, resource: "lab" }), "resource"],
    ["a typing error", () => clientCredentials({ ...fine, scopes: "x" } as never), "scopes"],
    ["no audience", () => oauth({ issuer: fine.issuer } as never), "oauth: option audience"],
    ["keys beside an issuer", () => oauth({ issuer: fine.issuer, audience: "a", keys: { keys: [] } } as never), "keys"],
    [
      "a wrong tolerance",
      () => oauth({ issuer: fine.issuer, audience: "a", clockToleranceMs: -1 }),
      "oauth: option clockToleranceMs",
    ],
    [
      "introspection as nobody",
      () => oauth({ issuer: fine.issuer, audience: "a", introspection: { clientId: "x" } }),
      "introspection.clientSecret",
    ],
  ])("%s", (_, make, says) => {
    let error: unknown;
    try {
      make();
    } catch (cause) {
      error = cause;
    }
    expect(["option_invalid", "option_unknown"]).toContain(reasonOf(error));
    expect(String(error)).toContain(says);
  });

  it("http is taken on loopback addresses, and elsewhere only if that is said", () => {
    for (const issuer of ["http://localhost:3000", "http://127.0.0.1", "http://[::1]:80/realm", "http://idp.localhost"])
      expect(oauth({ issuer, audience: "a" }).name).toBe("oauth");
    expect(() => oauth({ issuer: "http://localhost.evil.example", audience: "a" })).toThrow("allowInsecure");
    expect(oauth({ issuer: "http://issuer.test", allowInsecure: true, audience: "a" }).name).toBe("oauth");
  });
});
