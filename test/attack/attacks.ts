// What an attacker would try against a server with the shipped middleware: each is tried for real, over links and at doors, and tells what it got.
import { sessionCookie } from "@raceway/auth-session/server";
import { token } from "@raceway/auth-token/server";
import { connect } from "@raceway/client";
import { definePlugin, memoryTransport, reasonOf } from "@raceway/core";
import { clientCertificate } from "@raceway/middleware/client-certificate";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { rbac } from "@raceway/middleware/rbac";
import { signatures, signer, verifier } from "@raceway/middleware/signing";
import { raceway } from "@raceway/server";
import { virtualClock } from "@raceway/testkit";
import { type JWK, type JWTPayload, SignJWT, UnsecuredJWT, exportJWK, exportSPKI, generateKeyPair } from "jose";
import { handlers } from "../app/lab.ts";
import { hello, open, rawPeer, welcomeOf } from "../app/raw-peer.ts";
import { labClient } from "../gen/lab/v1/lab.client.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { type Certificate, SERVER_AUTH, authority } from "../middleware/certificates.ts";
import { issuer } from "../middleware/issuer.ts";
import { mutualTls, tlsWays } from "../middleware/mutual-tls.ts";
import { type WayName, names, outcome, stage, wayNames } from "../middleware/stage.ts";
import { tampering } from "../middleware/tampering.ts";
import { admins } from "./admins.ts";
import { type Attack, holds } from "./attack.ts";
import { bombs } from "./bombs.ts";
import { caches } from "./caches.ts";
import { schemas } from "./schemas.ts";
import { signIns } from "./sign-ins.ts";

/** A key pair of the issuer, with its public half as a JWK. */
async function newKey(kid: string, algorithm: string) {
  const pair = await generateKeyPair(algorithm, { extractable: true });
  const jwk: JWK = { ...(await exportJWK(pair.publicKey)), kid, alg: algorithm, use: "sig" };
  return { ...pair, jwk };
}
type Key = Awaited<ReturnType<typeof newKey>>;

const now = (): number => Math.floor(Date.now() / 1_000);
const claims = (more: JWTPayload = {}): JWTPayload => ({
  iss: "issuer",
  aud: "lab",
  sub: "root",
  exp: now() + 600,
  ...more,
});
const signed = (key: Key, more?: JWTPayload): Promise<string> =>
  new SignJWT(claims(more)).setProtectedHeader({ alg: key.jwk.alg!, kid: key.jwk.kid! }).sign(key.privateKey);

/** Shows a token by every way; all have to refuse it for the same reason, and no handler may have run. */
function shown(name: string, reason: string, make: (key: Key) => Promise<string>): Attack {
  return {
    name,
    async run() {
      const key = await newKey("rsa", "RS256");
      await using it = await stage({
        use: [token({ issuer: "issuer", audience: "lab", keys: { keys: [key.jwk] } }), rbac()],
      });
      const credential = await make(key);
      for (const way of wayNames) {
        const got = reasonOf(await outcome(it.client(way, credential).peek({ text: name })));
        holds(got === reason, `by ${way}: ${got ?? "an answer"} in place of ${reason}`);
      }
      holds(it.calls.length === 0, `handlers ran: ${it.calls.join(", ")}`);
      return `${reason} by ${wayNames.length} ways in`;
    },
  };
}

export const attacks: readonly Attack[] = [
  shown("algorithm confusion: the public key as a shared secret", "credential_invalid", async (key) =>
    new SignJWT(claims())
      .setProtectedHeader({ alg: "HS256", kid: "rsa" })
      .sign(new TextEncoder().encode(await exportSPKI(key.publicKey))),
  ),
  shown("algorithm none", "credential_invalid", () => Promise.resolve(new UnsecuredJWT(claims()).encode())),
  shown("an expired token", "credential_expired", (key) => signed(key, { exp: now() - 60 })),
  shown("a token for another service", "credential_invalid", (key) => signed(key, { aud: "shop" })),
  shown("a token of another issuer", "credential_invalid", (key) => signed(key, { iss: "evil" })),
  shown("a key of one's own under the issuer's key id", "credential_invalid", async () =>
    signed(await newKey("rsa", "RS256")),
  ),
  {
    name: "key rotation in mid-session: a token of a key that the issuer took back",
    async run() {
      await using who = await issuer();
      const [old, next] = [await newKey("old", "ES256"), await newKey("new", "ES256")];
      who.keys = [old.jwk];
      await using it = await stage({ use: [token({ issuer: "issuer", audience: "lab", jwksUri: `${who.url}/jwks` })] });
      const live = it.client("websocket", await signed(old));
      holds((await outcome(live.peek({}))) === "ok", "the honest client was refused");
      who.keys = [next.jwk];
      const realNow = Date.now;
      Date.now = () => realNow() + 700_000; // the keys are asked for anew after ten minutes
      try {
        const fresh = await signed(next);
        holds((await outcome(it.client("poll", fresh).peek({}))) === "ok", "a token of the new key was refused");
        const got = reasonOf(await outcome(it.client("poll", await signed(old)).peek({})));
        holds(got === "credential_invalid", `${got ?? "an answer"} for a key that was taken back`);
      } finally {
        Date.now = realNow;
      }
      return "credential_invalid; tokens of the new key are taken, the session that was open goes on";
    },
  },
  {
    name: "a stolen resume secret, under another principal and under none",
    async run() {
      const clock = virtualClock();
      const memory = memoryTransport();
      await using app = raceway({ transports: [memory.server], clock, use: [names, rbac()] });
      app.serve(labService, handlers([], clock));
      await app.listen({ port: 0, host: "127.0.0.1" });
      const owner = await rawPeer(memory, clock);
      owner.say(hello({ credential: "ann" }));
      await clock.settle();
      const { session, secret } = welcomeOf(owner);
      owner.say(open(1, "/lab.v1.LabService/Chat", { end: false, payload: undefined }));
      for (const credential of ["bob", ""]) {
        const thief = await rawPeer(memory, clock);
        thief.say(hello({ session, secret, credential }));
        await clock.settle();
        const kinds = thief.frames.map(({ kind }) => kind).join(", ");
        holds(kinds === "goaway" && thief.closed, `the thief got ${kinds}`);
      }
      owner.say({ kind: "data", call: 1, payload: Uint8Array.of(0x0a, 1, 0x61), header: undefined });
      await clock.settle();
      holds(owner.frames.at(-1)?.kind === "data", "the owner's session was touched");
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
      return "resume_refused; the owner's session is untouched";
    },
  },
  {
    name: "a cross-site request with a visitor's cookie, from a page of another origin, and one that names none",
    async run() {
      const ways = wayNames.filter((way) => way !== "memory");
      const sessions = sessionCookie({ keys: ["a secret of at least thirty-two bytes"] });
      await using it = await stage({ use: [sessions, rbac()], allowedOrigins: ["*"] });
      const { cookies } = await sessions.issue({ id: "root" });
      const cookie = cookies.map((line) => line.split(";")[0]).join("; ");
      const forged = [
        { origin: "https://evil.example" },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        {},
        { "x-csrf-token": "made-up.token" },
      ];
      const ok = await outcome(
        (await it.behind("poll", "", { cookie, "sec-fetch-site": "same-origin" })).client.peek({}),
      );
      holds(ok === "ok", `the honest page was refused: ${String(ok)}`);
      const before = it.calls.length;
      for (const way of ways) {
        for (const headers of forged) {
          // Transports of requests refuse that before any plugin is asked, and their clients try again.
          if ("sec-fetch-site" in headers && ["sse", "poll", "grpc"].includes(way)) continue;
          const { client } = await it.behind(way, "", { cookie, ...headers });
          const answer = await outcome(client.peek({ text: "forged" }));
          const got = reasonOf(answer) ?? String(answer);
          const isRefused = got === "cross_site_refused" || got.includes("[permission_denied]");
          holds(isRefused, `by ${way} with ${JSON.stringify(headers)}: ${got}`);
        }
      }
      holds(it.calls.length === before, "a handler ran");
      return `cross_site_refused by ${ways.length} ways in, ${forged.length} kinds each`;
    },
  },
  {
    name: "client certificates: of another issuer, expired, for servers, with names that hide others, and one that is only named in a header",
    async run() {
      const use = [clientCertificate({ allow: ["DNS:good.example"] }), rbac()];
      await using it = await mutualTls(use);
      const good = { names: ["DNS:good.example"] };
      const kinds: readonly [string, Certificate | undefined][] = [
        ["credential_missing", undefined],
        ["credential_invalid", authority("the clients'").issue(good)],
        ["credential_invalid", it.issuer.issue(good).issue(good)],
        ["credential_expired", it.issuer.issue({ ...good, to: Date.now() - 2_000 })],
        ["credential_invalid", it.issuer.issue({ ...good, purposes: [SERVER_AUTH] })],
        ["credential_invalid", it.issuer.issue({ name: "good.example", names: ["DNS:good.example\x00.evil.example"] })],
        ["credential_invalid", it.issuer.issue({ names: ["DNS:evil.example, DNS:good.example"] })],
      ];
      for (const way of tlsWays) {
        holds(
          (await outcome(it.client(way, it.issuer.issue(good)).peek({}))) === "ok",
          `the honest client was refused by ${way}`,
        );
        for (const [reason, certificate] of kinds) {
          const got = reasonOf(await outcome(it.client(way, certificate).peek({})));
          holds(got === reason, `by ${way}: ${got ?? "an answer"} in place of ${reason}`);
        }
      }
      holds(it.seen.length === tlsWays.length, "a handler ran for somebody else");
      const named = await stage({ use });
      const header = `:${Buffer.from(it.issuer.issue(good).der).toString("base64")}:`;
      const forged = await outcome(named.client("Connect door", "", { "client-cert": header }).peek({}));
      await named[Symbol.asyncDispose]();
      holds(reasonOf(forged) === "credential_missing", `a header got ${String(forged)}`);
      return `refused by ${tlsWays.length} ways in, ${kinds.length} kinds each`;
    },
  },
  {
    name: "a forged X-Forwarded-For, to come from an allowed network",
    async run() {
      const ways = wayNames.filter((way) => way !== "memory");
      const headers = { "x-forwarded-for": "198.51.100.7", forwarded: "for=198.51.100.7", "x-real-ip": "198.51.100.7" };
      // Sessions may say it in their handshake, too.
      const said = definePlugin({
        name: "said",
        start: () => ({
          introduce(introduction) {
            for (const [name, value] of Object.entries(headers)) introduction.headers.set(name, value);
          },
        }),
      });
      await using it = await stage({
        use: [names, ipFilter({ allow: ["198.51.100.0/24"] })],
        clientUse: [said],
      });
      for (const way of ways) {
        const { client } = await it.behind(way, "ann", headers);
        const got = reasonOf(await outcome(client.peek({})));
        holds(got === "address_refused", `by ${way}: ${got ?? "an answer"}`);
      }
      return `address_refused by ${ways.length} ways in`;
    },
  },
  {
    name: "a forged X-Forwarded-For behind a trusted proxy, to have a rate of one's own each time",
    async run() {
      const ways = wayNames.filter((way) => way !== "memory");
      const use = [
        ipFilter({ trustedProxies: ["127.0.0.1"] }),
        rateLimit({ perSecond: 0.001, burst: 3, scope: "address" }),
      ];
      await using it = await stage({ use });
      let passed = 0;
      for (const [at, way] of [...ways, ...ways].entries()) {
        // What the client wrote, and what the proxy added to it.
        const { client } = await it.behind(way, "", { "x-forwarded-for": `10.9.8.${at}, 203.0.113.5` });
        const answer = await outcome(client.peek({}));
        if (answer === "ok") passed++;
        else holds(reasonOf(answer) === "rate_limited", `by ${way}: ${String(answer)}`);
      }
      holds(passed === 3, `${passed} calls of ${ways.length * 2} got through where 3 may`);
      return `rate_limited after 3 of ${ways.length * 2}, by ${ways.length} ways in`;
    },
  },
  {
    name: "a rate limit dodged by switching transports, sessions and doors",
    async run() {
      await using it = await stage({ use: [names, rateLimit({ perSecond: 0.001, burst: 3 })] });
      let passed = 0;
      for (const way of [...wayNames, ...wayNames] as readonly WayName[])
        if ((await outcome(it.client(way, "ann").peek({}))) === "ok") passed++;
      holds(passed === 3, `${passed} calls of ${wayNames.length * 2} got through where 3 may`);
      return `rate_limited after 3 of ${wayNames.length * 2}`;
    },
  },
  {
    name: "a replayed signature, by every way and in the next session",
    async run() {
      const key = { id: "device", secret: "0123456789abcdef0123456789abcdef" };
      const unsigned = ["lab.v1.LabService/Cursor"];
      let caught = "";
      // Takes the first signature that goes by, and puts it on all that follows: the same call, word for word.
      const { plugin, interceptor } = tampering({
        header: (name, text) => (name === "raceway-signature" ? (caught ||= text) : text),
      });
      await using it = await stage({
        use: [verifier({ keys: { device: { secret: key.secret } }, unsigned })],
        clientUse: [signer({ key, unsigned }), plugin],
        doorInterceptors: [signatures({ key, unsigned }), interceptor],
      });
      const honest = await outcome(it.client("websocket").echo({ text: "pay 100" }));
      holds(honest === "ok", `the honest client was refused: ${String(honest)}`);
      for (const way of [...wayNames, ...wayNames] as readonly WayName[]) {
        const got = reasonOf(await outcome(it.client(way).echo({ text: "pay 100" })));
        holds(got === "signature_replayed", `by ${way}: ${got ?? "an answer"}`);
      }
      const other = reasonOf(await outcome(it.client("poll").echo({ text: "pay 900" })));
      holds(other === "signature_invalid", `${other ?? "an answer"} to another message under the same signature`);
      const runs = it.calls.filter((call) => call.startsWith("echo")).length;
      holds(runs === 1, `the handler ran ${runs} times`);
      return `signature_replayed by ${wayNames.length} ways in; signature_invalid for another message`;
    },
  },
  {
    name: "a resume, again and again, to have a rate counted anew",
    async run() {
      const clock = virtualClock();
      const memory = memoryTransport();
      await using app = raceway({
        transports: [memory.server],
        clock,
        use: [names, rateLimit({ perSecond: 0.001, burst: 3 })],
      });
      app.serve(labService, handlers([], clock));
      await app.listen({ port: 0, host: "127.0.0.1" });
      const shows = {
        name: "shows",
        contract: 1 as const,
        start: () => ({ introduce: (i: { credential: string }) => void (i.credential = "ann") }),
      };
      await using connection = connect("http://lab", { transports: [memory.client], clock, probeMs: 0, use: [shows] });
      const client = labClient(connection);
      let passed = 0;
      for (let at = 0; at < 8; at++) {
        const answer = outcome(client.peek({}));
        await clock.advance(5_000); // the session comes back
        if ((await answer) === "ok") passed++;
        memory.cut();
      }
      await clock.advance(5_000);
      holds(app.sessions === 1, `${app.sessions} sessions in place of one that was resumed`);
      const closing = app.close(0);
      await clock.advance(100);
      await closing;
      holds(passed === 3, `${passed} calls of 8 got through where 3 may`);
      return "rate_limited after 3 of 8";
    },
  },
  ...admins,
  ...schemas,
  ...signIns,
  ...bombs,
  ...caches,
];
