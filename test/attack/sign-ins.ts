// What an attacker would try against sign-ins by OAuth 2: with answers, codes, tokens and metadata that are not what they say, at a real OpenID provider.
import { clientCredentials, signIn } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { reasonOf } from "@raceway/core";
import { rbac } from "@raceway/middleware/rbac";
import { outcome, stage, wayNames } from "../middleware/stage.ts";
import { AUDIENCE, SECRET, type TestProvider, testProvider } from "../oauth/provider.ts";
import { Visitor } from "../oauth/visitor.ts";
import { type Attack, holds } from "./attack.ts";

const REDIRECT = "https://app.example/back";
const provider = (): Promise<TestProvider> => testProvider({ redirectUris: [REDIRECT] });

/** A user's sign-in that went to the issuer; `change` is what the attacker does to the address on the way there. */
async function begun(there: TestProvider, change: (url: URL) => void = () => {}) {
  let sentTo = "";
  const user = signIn({
    issuer: there.issuer,
    clientId: "page",
    redirectUri: REDIRECT,
    navigate: (url) => void (sentTo = url),
  });
  await user.begin();
  const wanted = new URL(sentTo);
  change(wanted);
  const answer = new URL(await new Visitor().visit(wanted.href));
  return { user, answer, lastSentTo: () => sentTo };
}

export const signIns: readonly Attack[] = [
  {
    name: "answers to a sign-in that nobody began here: another's code, another state, another issuer's (mix-up), said twice",
    async run() {
      await using there = await provider();
      const attacker = await begun(there);
      const forged: readonly ((answer: URL) => URL)[] = [
        () => attacker.answer,
        (answer) => change(answer, "state", "made-up"),
        (answer) => change(answer, "iss", "https://evil.example"),
        (answer) => change(answer, "iss", undefined),
      ];
      for (const [at, forge] of forged.entries()) {
        const { user, answer } = await begun(there);
        const got = reasonOf(await outcome(user.complete(forge(answer).href)));
        holds(got === "sign_in_invalid" && !user.signedIn, `forgery ${at}: ${got ?? "signed in"}`);
      }
      holds(there.grants === 0, "a code went to the token endpoint");
      const { user, answer } = await begun(there);
      await user.complete(answer.href);
      holds(reasonOf(await outcome(user.complete(answer.href))) === "sign_in_invalid", "an answer was taken twice");
      return `sign_in_invalid, ${forged.length + 1} kinds; no code went anywhere`;
    },
  },
  {
    name: "a code that was stolen on its way, without its verifier, and one that was slipped into another's sign-in",
    async run() {
      await using there = await provider();
      const victim = await begun(there);
      const thief = await begun(there);
      // The thief puts the victim's code into an answer of his own.
      const stolen = change(thief.answer, "code", victim.answer.searchParams.get("code")!);
      const theft = reasonOf(await outcome(thief.user.complete(stolen.href)));
      holds(theft === "issuer_refused" && !thief.user.signedIn, `the thief got ${theft ?? "in"}`);
      for (const [name, value] of [
        ["code_challenge", "x".repeat(43)],
        ["nonce", "another"],
      ] as const) {
        const { user, answer } = await begun(there, (url) => url.searchParams.set(name, value));
        const got = reasonOf(await outcome(user.complete(answer.href)));
        holds(!user.signedIn && got !== undefined, `with another ${name}: signed in`);
      }
      return "issuer_refused by the verifier, sign_in_invalid by the nonce";
    },
  },
  {
    name: "an ID token, and an access token for another service, in place of an access token",
    async run() {
      await using there = await provider();
      await using it = await stage({ use: [oauth({ issuer: there.issuer, audience: AUDIENCE }), rbac()] });
      const { user, answer, lastSentTo } = await begun(there);
      await user.complete(answer.href);
      const good = await user.token();
      holds((await outcome(it.client("websocket", good).peek({}))) === "ok", "the honest user was refused");
      await user.signOut();
      const idToken = new URL(lastSentTo()).searchParams.get("id_token_hint")!;
      const { issuer } = there;
      const forShop = { issuer, clientId: "worker", clientSecret: SECRET, resource: "https://shop.example" };
      const before = it.calls.length;
      for (const shown of [idToken, await clientCredentials(forShop).token()]) {
        for (const way of wayNames) {
          const got = reasonOf(await outcome(it.client(way, shown).peek({ text: "forged" })));
          holds(got === "credential_invalid", `by ${way}: ${got ?? "an answer"}`);
        }
      }
      holds(it.calls.length === before, "a handler ran");
      return `credential_invalid by ${wayNames.length} ways in, 2 kinds each`;
    },
  },
  {
    name: "an issuer's metadata that somebody changed: another's name, keys and endpoints that anybody may listen to",
    async run() {
      await using there = await provider();
      const { issuer } = there;
      const credentials = { issuer, clientId: "worker", clientSecret: SECRET };
      const good = await clientCredentials(credentials).token();
      const metadata = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as object;
      const forged = [
        { issuer: "https://evil.example" },
        { jwks_uri: "http://keys.example/jwks" },
        { token_endpoint: "http://tokens.example/token" },
      ];
      for (const changed of forged) {
        there.intercept = (path, response) => {
          if (!path.endsWith("/openid-configuration")) return false;
          response.setHeader("content-type", "application/json").end(JSON.stringify({ ...metadata, ...changed }));
          return true;
        };
        await using it = await stage({ use: [oauth({ issuer, audience: AUDIENCE }), rbac()] });
        const door = reasonOf(await outcome(it.client("Connect door", good).peek({})));
        holds(door === "keys_unavailable", `the server with ${JSON.stringify(changed)}: ${door ?? "an answer"}`);
        const client = reasonOf(await outcome(clientCredentials(credentials).token()));
        holds(client === "issuer_failed", `the client with ${JSON.stringify(changed)}: ${client ?? "a token"}`);
      }
      return `refused with keys_unavailable and issuer_failed, ${forged.length} kinds`;
    },
  },
];

function change(answer: URL, name: string, value: string | undefined): URL {
  const changed = new URL(answer);
  if (value === undefined) changed.searchParams.delete(name);
  else changed.searchParams.set(name, value);
  return changed;
}
