// Users who sign in with a real OpenID provider: the code flow with PKCE, answers that are not taken, and sessions that go on and end with the sign-in. In a browser: page.test.ts.
import { ConnectError } from "@connectrpc/connect";
import { type SignIn, type SignInOptions, signIn } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { connect } from "@raceway/client";
import { errorInfo, memoryTransport, principal, reasonOf } from "@raceway/core";
import { type Raceway, raceway } from "@raceway/server";
import { type VirtualClock, virtualClock } from "@raceway/testkit";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { handlers } from "../app/lab.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { outcome } from "../middleware/stage.ts";
import { AUDIENCE, OPAQUE, SECRET, type TestProvider, testProvider } from "./provider.ts";
import { Visitor } from "./visitor.ts";

const REDIRECT = "https://app.example/back";
const PATIENCE_MS = 20_000; // keys and signatures are made by other threads, and the machine may be busy
vi.setConfig({ testTimeout: 2 * PATIENCE_MS, hookTimeout: PATIENCE_MS });
const eventually = (what: () => unknown) => expect.poll(what, { timeout: PATIENCE_MS });

let there: TestProvider;
let browser: Visitor;
beforeEach(async () => {
  there = await testProvider({ redirectUris: [REDIRECT] });
  browser = new Visitor();
});
afterEach(async () => {
  vi.useRealTimers();
  await there[Symbol.asyncDispose]();
});

/** A user of the page, and where it was sent last. */
function user(more: Partial<SignInOptions> = {}): SignIn & { readonly sentTo: string } {
  let sentTo = "";
  const made = signIn({
    issuer: there.issuer,
    clientId: "page",
    redirectUri: REDIRECT,
    scope: "openid chat",
    navigate: (url) => void (sentTo = url),
    ...more,
  });
  return Object.defineProperty(made, "sentTo", { get: () => sentTo }) as SignIn & { readonly sentTo: string };
}
/** Goes to the issuer and comes back; `change` is what somebody on the way does to the address that the page wanted. */
async function answerTo(it: ReturnType<typeof user>, change: (url: URL) => void = () => {}): Promise<URL> {
  await it.begin();
  const wanted = new URL(it.sentTo);
  change(wanted);
  return new URL(await browser.visit(wanted.href));
}
async function signedIn(more: Partial<SignInOptions> = {}): Promise<ReturnType<typeof user>> {
  const it = user(more);
  await it.complete((await answerTo(it)).href);
  return it;
}

describe("a sign-in", () => {
  it("asks for a code with PKCE, state and nonce, and gets tokens for it", async () => {
    const it = user({ parameters: { ui_locales: "de", scope: "not this" }, resource: AUDIENCE });
    expect(it.signedIn).toBe(false);
    await it.begin({ parameters: { login_hint: "ann" } });
    const asked = Object.fromEntries(new URL(it.sentTo).searchParams);
    expect(asked).toMatchObject({
      response_type: "code",
      client_id: "page",
      redirect_uri: REDIRECT,
      scope: "openid chat",
      resource: AUDIENCE,
      code_challenge_method: "S256",
      ui_locales: "de",
      login_hint: "ann",
    });
    for (const name of ["state", "nonce", "code_challenge"]) expect(asked[name]).toMatch(/^[\w-]{43}$/);
    const answer = await browser.visit(it.sentTo);
    const completing = [it.complete(answer), it.complete(answer)]; // as some frameworks do
    const token = it.token(); // which waits for it
    expect(await Promise.all(completing)).toEqual([
      { signedIn: true, returnTo: undefined },
      { signedIn: true, returnTo: undefined },
    ]);
    expect(it.signedIn).toBe(true);
    expect(it.claims).toMatchObject({ iss: there.issuer, aud: "page", sub: "ann" });
    const claims = JSON.parse(atob((await token).split(".")[1]!)) as object;
    expect(claims).toMatchObject({ iss: there.issuer, aud: AUDIENCE, sub: "ann", scope: "chat", client_id: "page" });
    expect(there.grants).toBe(1);
  });

  it("is no matter of addresses that are not answers", async () => {
    const it = user();
    for (const href of [
      "",
      "https://app.example/",
      REDIRECT,
      `${REDIRECT}?code=x`,
      "https://app.example/else?code=x&state=y",
    ])
      expect(await it.complete(href)).toBeUndefined();
    expect(there.asked).toEqual([]);
    expect(reasonOf(await outcome(it.token()))).toBe("sign_in_required");
  });

  it("that the user does not want ends with the issuer's word for it", async () => {
    there.user = undefined;
    const it = user();
    const error = await outcome(it.complete((await answerTo(it)).href));
    expect(reasonOf(error)).toBe("issuer_refused");
    expect(errorInfo(error)?.metadata).toMatchObject({ error: "access_denied", detail: "Ann said no" });
    expect(it.signedIn).toBe(false);
  });

  it("is silent if that is wanted: whoever is signed in there comes back in, and who is not comes back as he was", async () => {
    const stranger = user();
    await stranger.begin({ silent: true });
    expect(await stranger.complete(await browser.visit(stranger.sentTo))).toMatchObject({ signedIn: false });
    expect(stranger.signedIn).toBe(false);
    await signedIn();
    const again = user();
    const visits = there.asked.length;
    await again.begin({ silent: true });
    expect(await again.complete(await browser.visit(again.sentTo))).toMatchObject({ signedIn: true });
    expect(there.asked.slice(visits).filter((each) => each.includes("/sign-in/"))).toEqual([]);
  });

  it("waits for an issuer that fails, and does not lose its way", async () => {
    const it = user();
    there.fails = true;
    expect(reasonOf(await outcome(it.begin()))).toBe("issuer_failed");
    there.fails = false;
    const later = user();
    await later.complete((await answerTo(later)).href);
    expect(later.signedIn).toBe(true);
  });
});

describe("an answer is not taken, and its code goes nowhere,", () => {
  it.each<[string, (answer: URL) => void]>([
    ["with another state", (answer) => answer.searchParams.set("state", "made-up")],
    ["with two states", (answer) => answer.searchParams.append("state", "made-up")],
    ["of another issuer: a mix-up", (answer) => answer.searchParams.set("iss", "https://evil.example")],
    ["of nobody, though the issuer names itself", (answer) => answer.searchParams.delete("iss")],
    ["with a token in its address", (answer) => answer.searchParams.set("id_token", "x.y.z")],
  ])("%s", async (_, forge) => {
    const it = user();
    const answer = await answerTo(it);
    forge(answer);
    const error = await outcome(it.complete(answer.href));
    expect(reasonOf(error)).toBe("sign_in_invalid");
    expect(String(error)).not.toContain(answer.searchParams.get("code"));
    expect(there.grants).toBe(0);
    expect(it.signedIn).toBe(false);
    expect(reasonOf(await outcome(it.token()))).toBe("sign_in_required");
  });

  it("a second time, or if nobody has begun", async () => {
    const it = user();
    const answer = await answerTo(it);
    await it.complete(answer.href);
    expect(reasonOf(await outcome(it.complete(answer.href)))).toBe("sign_in_invalid");
    expect(reasonOf(await outcome(user().complete(answer.href)))).toBe("sign_in_invalid");
    expect(there.grants).toBe(1);
    expect(it.signedIn).toBe(true);
  });

  it("and one that was made up does not spoil the sign-in that is under way", async () => {
    const it = user();
    const answer = await answerTo(it);
    await outcome(it.complete(`${REDIRECT}?code=mine&state=made-up`));
    expect(await it.complete(answer.href)).toMatchObject({ signedIn: true });
  });
});

it("a code that was issued for another verifier is worth nothing: the issuer refuses it", async () => {
  const it = user();
  const answer = await answerTo(it, (url) => url.searchParams.set("code_challenge", "x".repeat(43)));
  const error = await outcome(it.complete(answer.href));
  expect(reasonOf(error)).toBe("issuer_refused");
  expect(errorInfo(error)?.metadata["error"]).toBe("invalid_grant");
  expect(it.signedIn).toBe(false);
});

it("an ID token with another nonce is not taken: it was issued for another sign-in", async () => {
  const it = user();
  const answer = await answerTo(it, (url) => url.searchParams.set("nonce", "another"));
  const error = await outcome(it.complete(answer.href));
  expect(reasonOf(error)).toBe("sign_in_invalid");
  expect(String(error)).toContain("nonce");
  expect(it.signedIn).toBe(false);
});

describe("a session of a user who signed in", () => {
  it("goes on with fresh tokens, each refresh token used once", async () => {
    await using at = await timed(await signedIn());
    await at.opened(1);
    for (let round = 2; round <= 4; round++) {
      await at.pass(546_000);
      await at.opened(round);
    }
    expect(at.users).toEqual(["ann", "ann", "ann", "ann"]);
    expect(at.app.sessions).toBe(1);
    expect(there.grants).toBe(4);
    expect(new Set(at.states)).toEqual(new Set(["open"]));
  });

  it("shares its refresh token with others: many connections at the same moment use it once", async () => {
    const it = await signedIn();
    vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 590_000 });
    const tokens = await Promise.all(Array.from({ length: 20 }, () => it.token()));
    expect(new Set(tokens).size).toBe(1);
    expect(there.grants).toBe(2);
  });

  it("ends when its token does, if the issuer has ended the sign-in; the next call says that one has to sign in, and after that it goes on", async () => {
    const it = await signedIn();
    await using at = await timed(it);
    await at.opened(1);
    there.endAll();
    await at.pass(546_000);
    await eventually(() => at.clock.settle().then(() => it.signedIn)).toBe(false);
    expect(at.app.sessions).toBe(1); // the token itself is good still
    await at.pass(70_000);
    await eventually(() => at.clock.settle().then(() => at.app.sessions)).toBe(0);
    await expect
      .poll(() => at.clock.settle().then(() => reasonOf(at.connection.state.current.reason)))
      .toBe("sign_in_required");
    expect(reasonOf(await outcome(at.lab.peek({})))).toBe("sign_in_required");
    await it.complete((await answerTo(it)).href);
    const peek = at.lab.peek({});
    await at.opened(2);
    expect(await outcome(peek)).toBe("ok");
  });

  it("with an opaque token ends as soon as the server hears that it was taken back", async () => {
    const it = await signedIn({ resource: OPAQUE });
    await using at = await timed(it, { clientId: "worker", clientSecret: SECRET });
    await at.opened(1);
    await it.signOut();
    await at.pass(61_000);
    await eventually(() => at.clock.settle().then(() => at.app.sessions)).toBe(0);
    expect(reasonOf(at.connection.state.current.reason)).toBe("credential_revoked");
  });
});

describe("a sign-out", () => {
  it("forgets the tokens, has the issuer take them back, and goes to its own sign-out", async () => {
    const it = await signedIn({ signedOutUri: REDIRECT });
    there.asked.length = 0;
    await it.signOut();
    expect(there.asked.filter((each) => each === "POST /token/revocation")).toHaveLength(2);
    const out = new URL(it.sentTo);
    expect(out.pathname).toBe("/session/end");
    expect(Object.fromEntries(out.searchParams)).toEqual({
      client_id: "page",
      post_logout_redirect_uri: REDIRECT,
      id_token_hint: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+$/) as string,
    });
    expect(it.signedIn).toBe(false);
    expect(it.claims).toBeUndefined();
    expect(reasonOf(await outcome(it.token()))).toBe("sign_in_required");
    await it.signOut(); // nothing is left to do
    expect(there.asked.filter((each) => each === "POST /token/revocation")).toHaveLength(2);
  });

  it("says so if the issuer could not be told, and has forgotten the tokens all the same", async () => {
    const it = await signedIn();
    there.fails = true;
    expect(reasonOf(await outcome(it.signOut()))).toBe("issuer_failed");
    expect(it.signedIn).toBe(false);
  });
});

it("whoever may come in as nobody does, and as somebody once he has signed in", async () => {
  const it = user({ anonymous: true });
  expect(await it.token()).toBe("");
  await it.complete((await answerTo(it)).href);
  expect((await it.token()).split(".")).toHaveLength(3);
});

it("without refresh tokens a token is used to its end, and then one has to sign in", async () => {
  await using poor = await testProvider({ redirectUris: [REDIRECT], more: { issueRefreshToken: () => false } });
  there.intercept = undefined;
  const it = user({ issuer: poor.issuer });
  await it.begin();
  await it.complete(await browser.visit(it.sentTo));
  const token = await it.token();
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 590_000 });
  expect(await it.token()).toBe(token);
  vi.setSystemTime(Date.now() + 20_000);
  const error = ConnectError.from(await outcome(it.token()));
  expect(reasonOf(error)).toBe("sign_in_required");
  expect(error.rawMessage).toContain("no refresh token");
});

/** A server and the user's connection to it, which share one virtual time with the provider. */
async function timed(it: SignIn, introspection?: { clientId: string; clientSecret: string }) {
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() });
  const clock: VirtualClock = virtualClock(1_000, Date.now() - 1_000);
  const memory = memoryTransport();
  const users: string[] = [];
  const app: Raceway = raceway({
    transports: [memory.server],
    clock,
    use: [
      oauth({
        issuer: there.issuer,
        audience: AUDIENCE,
        ...(introspection && { introspection }),
        revoked: ({ sub }) => {
          users.push(sub!);
          return false;
        },
      }),
    ],
  });
  app.serve(labService, { ...handlers([], clock), peek: (_, context) => ({ text: context.get(principal).id }) });
  await app.listen({ port: 0, host: "127.0.0.1" });
  const connection = connect("http://lab", { transports: [memory.client], clock, probeMs: 0, use: [it] });
  const states: string[] = [];
  const lab = labClient(connection);
  return {
    clock,
    app,
    connection,
    lab,
    users,
    states,
    /** Somebody was let in so often. */
    async opened(times: number): Promise<void> {
      if (times === 1)
        void outcome(lab.peek({})).then(() => connection.state.subscribe(({ status }) => states.push(status)));
      await eventually(() => clock.settle().then(() => users.length)).toBe(times);
      await clock.settle();
    },
    async pass(ms: number): Promise<void> {
      vi.setSystemTime(Date.now() + ms);
      await clock.advance(ms);
    },
    async [Symbol.asyncDispose]() {
      await connection.close();
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
    },
  };
}
