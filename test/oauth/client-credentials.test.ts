// Programs that come in by their own credentials, with a real OpenID provider: one token for all, fresh in time, and what becomes of them when the provider fails.
import { ConnectError } from "@connectrpc/connect";
import { type ClientCredentialsOptions, clientCredentials } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { connect } from "@raceway/client";
import { errorInfo, memoryTransport, reasonOf, retryAfterMs } from "@raceway/core";
import { raceway } from "@raceway/server";
import { testHost, virtualClock } from "@raceway/testkit";
import { websocket } from "@raceway/transport-websocket/client";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { outcome, stage } from "../middleware/stage.ts";
import { AUDIENCE, SECRET, type TestProvider, testProvider } from "./provider.ts";

const PATIENCE_MS = 20_000; // keys and signatures are made by other threads, and the machine may be busy
vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });
const eventually = (what: () => unknown) => expect.poll(what, { timeout: PATIENCE_MS });

let there: TestProvider;
beforeEach(async () => {
  there = await testProvider();
});
afterEach(async () => {
  vi.useRealTimers();
  await there[Symbol.asyncDispose]();
});

const worker = (more: Partial<ClientCredentialsOptions> = {}): ClientCredentialsOptions => ({
  issuer: there.issuer,
  clientId: "worker",
  clientSecret: SECRET,
  scope: "chat",
  ...more,
});
const guard = (): { issuer: string; audience: string } => ({ issuer: there.issuer, audience: AUDIENCE });

describe("a program with client credentials", () => {
  it.each<[string, () => Partial<ClientCredentialsOptions>]>([
    ["a secret in the header", () => ({})],
    ["a secret in the body", () => ({ clientId: "poster", authMethod: "client_secret_post" })],
    [
      "a key as JSON",
      () => ({ clientId: "signer", clientSecret: undefined as never, privateKey: there.key.privateJwk as never }),
    ],
    ["a CryptoKey", () => ({ clientId: "signer", clientSecret: undefined as never, privateKey: there.key.privateKey })],
  ])("comes in by %s", async (_, how) => {
    await using on = await stage({ use: [oauth(guard())] });
    const { clientSecret, ...given } = worker(how());
    const options = clientSecret === undefined ? given : { ...given, clientSecret };
    await using connection = connect(on.url, { transports: [websocket()], use: [clientCredentials(options)] });
    expect((await labClient(connection).echo({ text: "x" })).text).toBe("x");
  });

  it("fetches one token for many connections, and doors", async () => {
    await using on = await stage({ use: [oauth(guard())] });
    const shared = clientCredentials(worker());
    const connections = Array.from({ length: 10 }, () => connect(on.url, { transports: [websocket()], use: [shared] }));
    const answers = await Promise.all(connections.map((each) => labClient(each).echo({ text: "x" })));
    expect(answers).toHaveLength(10);
    expect(await outcome(on.client("gRPC door", await shared.token()).peek({}))).toBe("ok");
    expect(on.app.sessions).toBe(10);
    expect(there.grants).toBe(1);
    await Promise.all(connections.map((each) => each.close()));
  });

  it("shows a fresh token in mid-session, again and again, and the session goes on", async () => {
    await using at = await timed();
    const { clock, connection, app, pass, tokens } = at;
    const lab = labClient(connection);
    const echo = lab.echo({ text: "x" });
    await eventually(() => clock.settle().then(() => tokens.length)).toBe(1);
    expect((await echo).text).toBe("x");
    const states: string[] = [];
    connection.state.subscribe(({ status }) => states.push(status));
    for (let round = 2; round <= 5; round++) {
      await pass(539_000);
      expect(tokens).toHaveLength(round - 1);
      await pass(7_000); // a minute before its end, as the server sees it
      await eventually(() => clock.settle().then(() => tokens.length)).toBe(round);
      await clock.settle();
    }
    expect(new Set(tokens).size).toBe(5);
    expect(there.grants).toBe(5);
    expect(new Set(states)).toEqual(new Set(["open"]));
    expect(app.sessions).toBe(1);
    await at.end();
  });

  it("goes on with its token while the issuer is down, for as long as it is good; then the session ends, and begins anew when the issuer is back", async () => {
    await using at = await timed();
    const { clock, connection, app, pass, tokens } = at;
    const lab = labClient(connection);
    const echo = lab.echo({ text: "x" });
    await eventually(() => clock.settle().then(() => tokens.length)).toBe(1);
    await echo;
    there.fails = true;
    await pass(546_000);
    await eventually(() => there.asked.length).toBeGreaterThan(3);
    await clock.settle();
    expect(app.sessions).toBe(1);
    const before = there.asked.length;
    for (let second = 0; second < 50; second++) {
      await pass(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(app.sessions).toBe(1);
    expect(there.asked.length - before).toBeLessThanOrEqual(10); // not at each of the connection's attempts
    await pass(20_000);
    await eventually(() => clock.settle().then(() => app.sessions)).toBe(0);
    await eventually(() => reasonOf(connection.state.current.reason)).toBeDefined();
    there.fails = false;
    await eventually(() => pass(5_000).then(() => app.sessions)).toBe(1);
    expect(connection.state.current.status).toBe("open");
    expect(tokens).toHaveLength(2);
    await at.end();
  });

  it("whose clock is behind the server's gets another token when the first is said to have expired", async () => {
    // The server's time is five minutes ahead, and the token eight minutes old: good here, expired there.
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
    const ahead = virtualClock(1_000, Date.now() - 1_000 + 780_000);
    const memory = memoryTransport();
    await using app = raceway({ transports: [memory.server], clock: ahead, use: [oauth(guard())] });
    app.serve(labService, handlers([], ahead));
    await app.listen({ port: 0, host: "127.0.0.1" });
    const shared = clientCredentials(worker());
    const first = await shared.token();
    vi.setSystemTime(Date.now() + 480_000);
    expect(await shared.token()).toBe(first);
    await using connection = connect("http://lab", { transports: [memory.client], use: [shared] });
    expect((await labClient(connection).echo({ text: "x" })).text).toBe("x");
    expect(there.grants).toBe(2);
    expect(await shared.token()).not.toBe(first);
    const closing = app.close(0);
    await ahead.advance(100);
    await closing;
  });

  it("with a key that is none is told so", async () => {
    const { x: _, ...broken } = there.key.privateJwk;
    const { clientSecret: __, ...rest } = worker({ clientId: "signer" });
    const error = await outcome(clientCredentials({ ...rest, privateKey: broken as never }).token());
    expect(reasonOf(error)).toBe("option_invalid");
    expect(String(error)).toContain("fits its alg");
  });

  it("asks the issuer no more often than every five seconds, whatever a server demands", async () => {
    const { clock, introduce } = await started();
    const shown = new Set<string>();
    for (let demand = 0; demand < 20; demand++) {
      shown.add(await introduce());
      await clock.advance(1_000);
    }
    expect(shown.size).toBe(4);
    expect(there.grants).toBe(4);
  });

  it("leaves an issuer that fails alone, longer each time and up to a minute, however often it is asked itself", async () => {
    const { clock, introduce } = await started();
    there.fails = true;
    const asked: number[] = [];
    for (let second = 0; second < 600; second++) {
      const before = there.asked.length;
      const error = await outcome(introduce());
      expect(reasonOf(error)).toBe("issuer_failed");
      if (there.asked.length > before) asked.push(second);
      await clock.advance(1_000);
    }
    expect(asked[0]).toBe(0);
    expect(asked.filter((second) => second < 10).length).toBeLessThanOrEqual(5);
    const waits = asked.slice(1).map((second, at) => second - asked[at]!);
    expect(Math.max(...waits)).toBeLessThanOrEqual(60);
    for (const wait of waits.slice(6)) expect(wait).toBeGreaterThanOrEqual(30);
    there.fails = false;
    await clock.advance(60_000);
    expect(await introduce()).not.toBe("");
  });

  it("is told by the issuer itself how long to leave it alone", async () => {
    const { clock, introduce } = await started();
    there.intercept = (path, response) => {
      if (path !== "/token") return false;
      response.writeHead(429, { "retry-after": "30", "content-type": "application/json" }).end('{"error":"slow_down"}');
      return true;
    };
    const error = ConnectError.from(await outcome(introduce()));
    expect(reasonOf(error)).toBe("issuer_failed");
    expect(error.rawMessage).toContain('it says "slow_down"');
    expect(retryAfterMs(error)).toBe(30_000);
    there.intercept = undefined;
    await clock.advance(30_000);
    expect(reasonOf(await outcome(introduce()))).toBe("issuer_failed");
    expect(there.grants).toBe(1);
    await clock.advance(1_000);
    expect(await introduce()).not.toBe("");
  });

  it.each<[string, Partial<ClientCredentialsOptions>, string]>([
    ["a wrong secret", { clientSecret: "guessed" }, "invalid_client"],
    ["an id that nobody knows", { clientId: "nobody" }, "invalid_client"],
    ["a client that may not", { clientId: "page" }, "invalid_client"],
  ])("with %s is refused for good, and its connection says so", async (_, how, says) => {
    await using on = await stage({ use: [oauth(guard())] });
    await using connection = connect(on.url, { transports: [websocket()], use: [clientCredentials(worker(how))] });
    const error = await outcome(labClient(connection).echo({ text: "x" }));
    expect(reasonOf(error)).toBe("issuer_refused");
    expect(errorInfo(error)?.metadata["error"]).toBe(says);
    expect(String(error)).not.toContain("guessed");
    expect(connection.state.current.status).toBe("offline");
    expect(there.grants).toBe(1);
  });

  it("keeps tokens and secrets out of what it says when the issuer talks nonsense", async () => {
    there.intercept = (path, response) => {
      if (path !== "/token") return false;
      response
        .setHeader("content-type", "application/json")
        .end('{"access_token":"very-secret","token_type":"mac","x":"\\u001b[31m"}');
      return true;
    };
    const error = await outcome(clientCredentials(worker()).token());
    expect(reasonOf(error)).toBe("issuer_failed");
    expect((error as Error).cause).toBeUndefined();
    expect(`${String(error)} ${JSON.stringify(errorInfo(error))}`).not.toContain("very-secret");
  });
});

/** The plugin by itself, in virtual time, and what it shows when a fresh token is wanted. */
async function started() {
  const clock = virtualClock(1_000, Date.now() - 1_000);
  const stations = await clientCredentials(worker()).start({ ...testHost("client"), clock });
  return {
    clock,
    async introduce(): Promise<string> {
      const introduction = { kind: "refresh" as const, credential: "", headers: new Headers(), overNewLink: false };
      await stations.introduce!(introduction);
      return introduction.credential;
    },
  };
}

/** A server and a client that share one virtual time with the provider: it shows a minute of it as a minute. */
async function timed() {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const clock = virtualClock(1_000, Date.now() - 1_000);
  const memory = memoryTransport();
  const tokens: string[] = [];
  const app = raceway({
    transports: [memory.server],
    clock,
    use: [
      oauth({
        ...guard(),
        revoked: ({ jti }) => {
          tokens.push(jti!);
          return false;
        },
      }),
    ],
  });
  app.serve(labService, handlers([], clock));
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connection = connect("http://lab", {
    transports: [memory.client],
    clock,
    probeMs: 0,
    use: [clientCredentials(worker())],
  });
  return {
    clock,
    app,
    connection,
    tokens,
    async pass(ms: number): Promise<void> {
      vi.setSystemTime(Date.now() + ms);
      await clock.advance(ms);
    },
    async end(): Promise<void> {
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
