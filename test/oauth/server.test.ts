// A server that finds out about a real OpenID provider by discovery, and lets in who shows its tokens.
import { Code, ConnectError } from "@connectrpc/connect";
import { type ClientCredentialsOptions, clientCredentials } from "@raceway/auth-oauth/client";
import { type OAuthOptions, oauth } from "@raceway/auth-oauth/server";
import { principal, reasonOf } from "@raceway/core";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { grpc } from "@raceway/transport-grpc/server";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { outcome, stage, wayNames } from "../middleware/stage.ts";
import { AUDIENCE, OPAQUE, SECRET, type TestProvider, testProvider } from "./provider.ts";

const PATIENCE_MS = 20_000; // keys and signatures are made by other threads, and the machine may be busy
vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });
const eventually = (what: () => unknown) => expect.poll(what, { timeout: PATIENCE_MS });

let there: TestProvider;
beforeEach(async () => {
  there = await testProvider();
});
afterEach(async () => {
  await there[Symbol.asyncDispose]();
});

const worker = (more: Partial<ClientCredentialsOptions> = {}): ClientCredentialsOptions => ({
  issuer: there.issuer,
  clientId: "worker",
  clientSecret: SECRET,
  scope: "chat",
  ...more,
});
const guard = (more: Partial<OAuthOptions> = {}): OAuthOptions => ({
  issuer: there.issuer,
  audience: AUDIENCE,
  ...more,
});

describe("a server with oauth", () => {
  it("takes a token of the issuer by every way in, and knows whose it is and what for", async () => {
    const seen: unknown[] = [];
    await using on = await stage({
      use: [oauth(guard())],
      handlers: {
        peek: (_, context) => {
          const { id, scopes } = context.get(principal);
          seen.push([id, scopes]);
          return {};
        },
      },
    });
    const shown = await clientCredentials(worker()).token();
    for (const way of wayNames) expect(await outcome(on.client(way, shown).peek({})), way).toBe("ok");
    expect(seen).toEqual(wayNames.map(() => ["worker", ["chat"]]));
    expect(there.asked.filter((each) => each.includes("openid-configuration"))).toHaveLength(2); // it, and the client
    expect(there.asked.filter((each) => each === "GET /jwks")).toHaveLength(1);
  });

  it("refuses, by every way in, a token for another service, of another issuer, and none", async () => {
    await using other = await testProvider();
    await using on = await stage({ use: [oauth(guard())] });
    const forShop = await clientCredentials(worker({ resource: "https://shop.example" })).token();
    const foreign = await clientCredentials(worker({ issuer: other.issuer })).token();
    const opaque = await clientCredentials(worker({ resource: OPAQUE })).token(); // nobody here asks about those
    for (const way of wayNames) {
      const reasons = [];
      for (const shown of [forShop, foreign, opaque, ""])
        reasons.push(reasonOf(await outcome(on.client(way, shown).peek({}))));
      expect(reasons, way).toEqual([
        "credential_invalid",
        "credential_invalid",
        "credential_invalid",
        "credential_missing",
      ]);
    }
    expect(on.calls).toEqual([]);
  });

  it("asks about opaque tokens where the issuer says, by secret or by key, and ends the session of one that was taken back", async () => {
    const who = { principal: (claims: object) => ({ id: (claims as { client_id: string }).client_id }) };
    for (const client of [
      { clientId: "worker", clientSecret: SECRET },
      { clientId: "poster", clientSecret: SECRET, authMethod: "client_secret_post" as const },
      { clientId: "signer", privateKey: there.key.privateJwk as never },
    ]) {
      await using on = await stage({
        use: [oauth(guard({ introspection: { ...client, recheckMs: 50, cacheMs: 20 }, ...who }))],
        handlers: {
          async *count(_, { signal }) {
            yield { value: 1 };
            await new Promise((resolve) => signal.addEventListener("abort", resolve));
          },
        },
      });
      const shown = await clientCredentials(worker({ resource: OPAQUE })).token();
      expect(shown.split(".")).toHaveLength(1);
      const stream = on.client("websocket", shown).count({})[Symbol.asyncIterator]();
      expect((await stream.next()).value).toMatchObject({ value: 1 });
      await (await there.provider.ClientCredentials.find(shown))!.destroy();
      expect(reasonOf(await outcome(stream.next())), client.clientId).toBe("credential_revoked");
      expect(reasonOf(await outcome(on.client("poll", "made-up").peek({})))).toBe("credential_invalid");
    }
  });

  it("lets nobody in while the issuer cannot be found, says why, and finds it when it is back", async () => {
    there.fails = true;
    const logged: string[] = [];
    const logger = {
      debug() {},
      info() {},
      warn() {},
      error: (_: string, fields?: object) => void logged.push(JSON.stringify(fields)),
    };
    const clock = virtualClock(1_000, Date.now() - 1_000);
    await using app = raceway({ transports: [grpc()], clock, log: logger, use: [oauth(guard())] });
    app.serve(labService, handlers([], clock));
    const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
    await eventually(() => logged.join("")).toContain("status 503");
    there.fails = false;
    const shown = await clientCredentials(worker()).token();
    there.fails = true;
    const comes = async (): Promise<unknown> => {
      const answer = await fetch(`${url}/lab.v1.LabService/Peek`, {
        method: "POST",
        headers: { "content-type": "application/json", authorization: `Bearer ${shown}` },
        body: "{}",
      });
      return answer.ok ? "ok" : ((await answer.json()) as { message: string }).message;
    };
    expect(await comes()).toContain("its issuer failed (it answered with status 503)");
    const asked = there.asked.length;
    expect(await comes()).toContain("its issuer failed"); // and it is left alone for a second
    expect(there.asked).toHaveLength(asked);
    there.fails = false;
    expect(await comes()).toContain("its issuer failed");
    await clock.advance(1_000);
    expect(await comes()).toBe("ok");
    there.fails = true;
    await clock.advance(5_000);
    expect(await comes()).toBe("ok"); // its keys are known
  });

  it.each<[string, (issuer: string) => object, string]>([
    ["is another's", () => ({ issuer: "https://evil.example" }), "does not match"],
    ["differs by a slash", (issuer) => ({ issuer: `${issuer}/` }), "its metadata says that it is"],
    [
      "has keys that anybody may change",
      () => ({ jwks_uri: "http://keys.example/jwks" }),
      "the jwks_uri of its metadata is no https URL",
    ],
    ["has none", () => ({ jwks_uri: undefined }), "names no jwks_uri"],
  ])("lets nobody in if the metadata %s", async (_, change, says) => {
    const metadata = (await (await fetch(`${there.issuer}/.well-known/openid-configuration`)).json()) as object;
    const shown = await clientCredentials(worker()).token();
    there.intercept = (path, response) => {
      if (!path.endsWith("/openid-configuration")) return false;
      response
        .setHeader("content-type", "application/json")
        .end(JSON.stringify({ ...metadata, ...change(there.issuer) }));
      return true;
    };
    await using on = await stage({ use: [oauth(guard())] });
    const error = ConnectError.from(await outcome(on.client("Connect door", shown).peek({})));
    expect(reasonOf(error)).toBe("keys_unavailable");
    expect(error.code).toBe(Code.Unavailable);
    expect(error.rawMessage).toContain(says);
  });

  it("finds an issuer that has its metadata where RFC 8414 puts it", async () => {
    const metadata = await (await fetch(`${there.issuer}/.well-known/openid-configuration`)).text();
    const shown = await clientCredentials(worker()).token();
    there.intercept = (path, response) => {
      if (path.endsWith("/openid-configuration")) response.writeHead(404).end();
      else if (path === "/.well-known/oauth-authorization-server")
        response.setHeader("content-type", "application/json").end(metadata);
      else return false;
      return true;
    };
    await using on = await stage({ use: [oauth(guard())] });
    expect(await outcome(on.client("websocket", shown).peek({}))).toBe("ok");
    expect(await clientCredentials(worker()).token()).not.toBe(shown);
  });

  it("takes back what was issued to a principal, as token does", async () => {
    const guarded = oauth(guard());
    await using on = await stage({ use: [guarded] });
    const shown = await clientCredentials(worker()).token();
    expect(await outcome(on.client("websocket", shown).peek({}))).toBe("ok");
    await guarded.revoke("worker");
    expect(reasonOf(await outcome(on.client("poll", shown).peek({})))).toBe("credential_revoked");
  });
});
