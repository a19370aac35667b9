// Every shipped plugin through the compliance kit of middleware, as it is by default and as it is mostly used. It is long because all of them stand in one table.
import { Code, type Interceptor } from "@connectrpc/connect";
import { clientCredentials, signIn } from "@raceway/auth-oauth/client";
import { oauth } from "@raceway/auth-oauth/server";
import { csrf, csrfInterceptor } from "@raceway/auth-session/client";
import { sessionCookie } from "@raceway/auth-session/server";
import { bearer } from "@raceway/auth-token/client";
import { token } from "@raceway/auth-token/server";
import { connect } from "@raceway/client";
import type { ChannelInfo, Plugin } from "@raceway/core";
import { batching } from "@raceway/middleware/batching";
import { cache, clientCache } from "@raceway/middleware/cache";
import { circuitBreaker } from "@raceway/middleware/circuit-breaker";
import { certificateRenewal, clientCertificate } from "@raceway/middleware/client-certificate";
import { compression } from "@raceway/middleware/compression";
import { encryption } from "@raceway/middleware/encryption";
import { hedging } from "@raceway/middleware/hedging";
import { ipFilter } from "@raceway/middleware/ip-filter";
import { limits } from "@raceway/middleware/limits";
import { logging } from "@raceway/middleware/logging";
import { rateLimit } from "@raceway/middleware/rate-limit";
import { rbac } from "@raceway/middleware/rbac";
import { retry } from "@raceway/middleware/retry";
import { replySigner, replyVerifier, signatures, signer, verifiedReplies, verifier } from "@raceway/middleware/signing";
import { attemptTimeout, timeout } from "@raceway/middleware/timeout";
import { raceway } from "@raceway/server";
import { telemetry as clientTelemetry } from "@raceway/telemetry/client";
import { prometheus } from "@raceway/telemetry/prometheus";
import { telemetry } from "@raceway/telemetry/server";
import { type PluginSubject, kitChannels, testHost } from "@raceway/testkit";
import { describePlugin } from "@raceway/testkit/vitest";
import { validate as clientValidate } from "@raceway/validate/client";
import { validate } from "@raceway/validate/server";
import { SignJWT } from "jose";
import { afterAll, describe, expect, it } from "vitest";
import { AUDIENCE, SECRET, testProvider } from "../oauth/provider.ts";
import { Visitor } from "../oauth/visitor.ts";
import { sight } from "../telemetry/sight.ts";
import { authority } from "./certificates.ts";
import { shippedPlugins } from "./shipped.ts";
import { names } from "./stage.ts";

/** A plugin in one use of it; its title says what is not default. */
type Subject = Omit<PluginSubject, "raceway" | "connect" | "name"> & { readonly as?: string };

const SERVICE = "raceway.testkit.v1.PluginKitService";
const ann = { credential: "ann" };
const calls = kitChannels.filter((channel) => channel !== "news");
const all = `${SERVICE}/*`;

const secret = "0123456789abcdef0123456789abcdef";
const signed = async (): Promise<string> =>
  new SignJWT({ sub: "ann" })
    .setProtectedHeader({ alg: "HS256" })
    .setAudience("kit")
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(new TextEncoder().encode(secret));
const tokens = (): Plugin => token({ secret: new TextEncoder().encode(secret), audience: "kit" });

const cookies = (): Plugin => sessionCookie({ keys: [secret] });
const issued = await sessionCookie({ keys: [secret] }).issue({ id: "ann" });
const cookie = issued.cookies.map((line) => line.split(";")[0]).join("; ");

const provider = await testProvider({ redirectUris: ["https://app.example/back"] });
afterAll(() => provider[Symbol.asyncDispose]());
const { issuer } = provider;
const checks = (): Plugin => oauth({ issuer, audience: AUDIENCE });
const worker = clientCredentials({ issuer, clientId: "worker", clientSecret: SECRET });
let sentTo = "";
const user = signIn({
  issuer,
  clientId: "page",
  redirectUri: "https://app.example/back",
  navigate: (url) => void (sentTo = url),
});
await user.begin();
await user.complete(await new Visitor().visit(sentTo));

const key = { id: "shared", secret };
const keys = { shared: { secret } };
/** Streams of answers of the kit's service have no place for signatures. */
const unsignedReplies = { unsigned: ["Count", "Talk", "News"].map((name) => `${SERVICE}/${name}`) };
// Not the topic: only generated clients know its address, and the kit has none.
const opening = { keys: { spring: new Uint8Array(32).fill(1) }, skip: [`${SERVICE}/News`] };
const sealing = { ...opening, seal: "spring" };

/** What a proxy that verified a certificate says of it (RFC 9440). */
function certificate(name: string): string {
  return `:${Buffer.from(authority("a proxy's").issue({ names: [name] }).der).toString("base64")}:`;
}

/** What a client's plugin does with calls, for a client at a native door. */
function atDoors(plugin: Plugin): Interceptor {
  const started = Promise.resolve(plugin.start(testHost("client")));
  return (next) => async (request) => {
    const { method: desc, service } = request;
    const path = `/${service.typeName}/${desc.name}`;
    const channel: ChannelInfo = { path, service, desc, contract: { kind: "call" }, policy: undefined, gated: false };
    return ((await started).call?.(channel)?.(next) ?? next)(request);
  };
}

/** "package/entry#factory" → its uses, or the plugin with which it is tried. */
const shipped: Readonly<Record<string, readonly Subject[] | string>> = {
  "auth-oauth/client#clientCredentials": [
    { server: () => [checks()], client: () => [worker], visitor: { credential: () => worker.token() } },
  ],
  "auth-oauth/client#signIn": [
    { server: () => [checks()], client: () => [user], visitor: { credential: () => user.token() } },
  ],
  "auth-oauth/server#oauth": [
    {
      server: () => [checks()],
      visitor: { credential: () => worker.token() },
      absentFrom: kitChannels,
      refusals: [
        { what: "nobody", of: kitChannels, code: Code.Unauthenticated, reason: "credential_missing", visitor: {} },
        {
          what: "what is no token",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "credential_invalid",
          visitor: { credential: "open sesame" },
        },
      ],
    },
  ],
  "auth-session/client#csrf": [
    {
      server: () => [cookies()],
      client: () => [csrf({ token: issued.csrfToken })],
      interceptors: () => [csrfInterceptor({ token: issued.csrfToken })],
      visitor: { headers: { cookie } },
      refusals: [
        {
          what: "who does not show the token",
          of: kitChannels,
          code: Code.PermissionDenied,
          reason: "cross_site_refused",
          client: () => [],
          interceptors: () => [],
        },
      ],
    },
  ],
  "auth-session/server#sessionCookie": [
    {
      server: () => [cookies()],
      visitor: { headers: { cookie, "x-csrf-token": issued.csrfToken } },
      absentFrom: kitChannels,
      refusals: [
        { what: "nobody", of: kitChannels, code: Code.Unauthenticated, reason: "credential_missing", visitor: {} },
        {
          what: "what a page of another origin sends",
          of: kitChannels,
          code: Code.PermissionDenied,
          reason: "cross_site_refused",
          visitor: { headers: { cookie, origin: "https://evil.example", "x-csrf-token": "made up" } },
        },
      ],
    },
  ],
  "auth-token/client#bearer": [
    { server: () => [tokens()], client: () => [bearer(signed)], visitor: { credential: signed } },
  ],
  "auth-token/server#token": [
    {
      server: () => [tokens()],
      visitor: { credential: signed },
      absentFrom: kitChannels,
      refusals: [
        { what: "nobody", of: kitChannels, code: Code.Unauthenticated, reason: "credential_missing", visitor: {} },
        {
          what: "what is no token",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "credential_invalid",
          visitor: { credential: "open sesame" },
        },
      ],
    },
  ],
  "middleware/batching#batching": [
    { server: () => [batching()], client: () => [batching()] },
    { as: "with a window", server: () => [batching({ windowMs: 5 })], client: () => [batching({ windowMs: 5 })] },
  ],
  "middleware/cache#cache": [
    { server: () => [cache()], absentFrom: kitChannels },
    {
      as: "of what is the same for all",
      server: () => [cache({ channels: { [`${SERVICE}/Look`]: { maxAgeMs: 60_000, scope: "public" } } })],
      absentFrom: kitChannels.filter((channel) => channel !== "look"),
    },
    {
      as: "of each principal",
      server: () => [cache({ maxAgeMs: 60_000 }), names],
      visitor: ann,
      absentFrom: kitChannels.filter((channel) => channel !== "look"),
    },
  ],
  "middleware/cache#clientCache": [
    { client: () => [clientCache()], absentFrom: kitChannels },
    {
      as: "of all that may be cached",
      client: () => [clientCache({ channels: { [all]: 60_000 } })],
      absentFrom: kitChannels.filter((channel) => channel !== "look"),
    },
  ],
  "middleware/circuit-breaker#circuitBreaker": [
    { client: () => [circuitBreaker()], absentFrom: ["news"] },
    { as: "of a service", client: () => [circuitBreaker({ scope: "service" })], absentFrom: ["news"] },
  ],
  "middleware/client-certificate#certificateRenewal": [{ client: () => [certificateRenewal()] }],
  "middleware/client-certificate#clientCertificate": [
    {
      as: "behind a proxy",
      server: () => [clientCertificate({ allow: ["email:*@example.org"], trustedProxies: ["192.0.2.1"] })],
      visitor: { address: "192.0.2.1", headers: { "client-cert": certificate("email:ann@example.org") } },
      absentFrom: kitChannels,
      refusals: [
        {
          what: "who shows none",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "credential_missing",
          visitor: { address: "192.0.2.1" },
        },
        {
          what: "whose certificate has no name that is allowed",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "credential_invalid",
          visitor: { address: "192.0.2.1", headers: { "client-cert": certificate("email:ann@evil.example") } },
        },
        {
          what: "who says himself that he has one",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "credential_missing",
          visitor: { address: "198.51.100.7", headers: { "client-cert": certificate("email:ann@example.org") } },
        },
      ],
    },
  ],
  "middleware/compression#compression": [
    { server: () => [compression()], client: () => [compression()] },
    {
      as: "of everything",
      server: () => [compression({ minBytes: 0 })],
      client: () => [compression({ minBytes: 0, algorithms: ["deflate"] })],
    },
  ],
  "middleware/encryption#encryption": [
    {
      server: () => [encryption(sealing)],
      client: () => [encryption(sealing)],
      interceptors: () => [atDoors(encryption(sealing))],
      absentFrom: ["save", "look", "sum", "talk", "news", "post"],
      refusals: [
        {
          what: "what is not sealed",
          of: ["echo"],
          code: Code.DataLoss,
          reason: "sealed_missing",
          client: () => [encryption(opening)],
          interceptors: () => [atDoors(encryption(opening))],
        },
      ],
    },
  ],
  "middleware/hedging#hedging": [
    { client: () => [hedging()], absentFrom: kitChannels.filter((channel) => channel !== "look") },
    { as: "at once", client: () => [hedging({ afterMs: 1, percentile: 0, budgetShare: 10 })] },
  ],
  "middleware/ip-filter#ipFilter": [
    { server: () => [ipFilter()], absentFrom: kitChannels },
    {
      as: "with networks and a proxy",
      server: () => [ipFilter({ allow: ["10.0.0.0/8"], deny: ["10.6.6.6"], trustedProxies: ["192.0.2.1"] })],
      visitor: { address: "192.0.2.1", headers: { "x-forwarded-for": "10.1.2.3" } },
      refusals: [
        {
          what: "who comes from elsewhere",
          of: kitChannels,
          code: Code.PermissionDenied,
          reason: "address_refused",
          visitor: { address: "198.51.100.7", headers: { "x-forwarded-for": "10.1.2.3" } },
        },
        {
          what: "who is denied behind a proxy",
          of: kitChannels,
          code: Code.PermissionDenied,
          reason: "address_refused",
          visitor: { address: "192.0.2.1", headers: { "x-forwarded-for": "10.6.6.6" } },
        },
      ],
    },
  ],
  "middleware/limits#limits": [
    { server: () => [limits()], absentFrom: calls },
    {
      as: "with limits, and the schema's",
      server: () => [names, limits({ concurrent: 100, concurrentPerPrincipal: 100, subscribers: 100 })],
      visitor: ann,
      refusals: [
        {
          what: "more calls than may run",
          of: ["echo", "talk"],
          code: Code.ResourceExhausted,
          reason: "channel_busy",
          saysWhen: true,
          policy: { echo: { maxConcurrent: 0 }, talk: { maxConcurrent: 0 } },
        },
        {
          what: "more subscribers than a topic may have",
          of: ["news"],
          code: Code.ResourceExhausted,
          reason: "topic_crowded",
          saysWhen: true,
          policy: { news: { maxSubscribers: 0 } },
        },
      ],
    },
  ],
  "middleware/logging#logging": [
    { server: () => [logging()], client: () => [logging()] },
    {
      as: "of everything",
      server: () => [logging({ messages: true, publications: true, errorTexts: true, headers: ["authorization"] })],
      client: () => [logging({ messages: true, linesPerSecond: 5 })],
    },
    { as: "of nothing", server: () => [logging({ quiet: [all] })], absentFrom: kitChannels },
  ],
  "middleware/rate-limit#rateLimit": [
    { server: () => [rateLimit()] },
    {
      as: "of two, by whom",
      server: () => [names, rateLimit({ perSecond: 1_000_000, burst: 1_000_000 })],
      visitor: ann,
      refusals: [
        {
          what: "the third use",
          of: kitChannels,
          after: 2,
          code: Code.ResourceExhausted,
          reason: "rate_limited",
          saysWhen: true,
          server: () => [names, rateLimit({ perSecond: 0.001, burst: 2 })],
        },
        {
          what: "the second use, by the schema",
          of: ["save", "news"],
          after: 1,
          code: Code.ResourceExhausted,
          reason: "rate_limited",
          policy: {
            save: { rateLimits: [{ limit: 1, windowMs: 3_600_000 }] },
            news: { rateLimits: [{ limit: 1, windowMs: 3_600_000, scope: "channel" }] },
          },
        },
      ],
    },
  ],
  "middleware/rbac#rbac": [
    {
      server: () => [names, rbac()],
      visitor: ann,
      refusals: [
        { what: "nobody", of: kitChannels, code: Code.Unauthenticated, visitor: {} },
        {
          what: "who lacks a scope that the schema wants",
          of: ["echo", "news", "talk"],
          code: Code.PermissionDenied,
          reason: "permission_denied",
          policy: {
            echo: { auth: { require: { scopes: ["say"] } } },
            news: { auth: { require: { roles: ["member"] } } },
            talk: { auth: { require: { scopes: ["say"] } } },
          },
        },
        {
          what: "by a rule that looks at the request",
          of: ["look", "news"],
          code: Code.PermissionDenied,
          server: () => [
            names,
            rbac({
              rules: {
                [`${SERVICE}/Look`]: ({ request }) => !(request as { text: string }).text.startsWith("use-"),
                [`${SERVICE}/News`]: ({ address = "" }) => !address.startsWith("rooms/"),
              },
            }),
          ],
        },
      ],
    },
    {
      as: "where all is public",
      server: () => [names, rbac({ default: "public" })],
      absentFrom: calls,
    },
  ],
  "middleware/retry#retry": [
    { client: () => [retry()], absentFrom: ["echo", "count", "sum", "talk", "news", "post"] },
    { as: "of everything", client: () => [retry({ unsafe: [all], attempts: 20, firstMs: 0 })] },
  ],
  "middleware/signing#replySigner": [
    {
      server: () => [replySigner({ key, ...unsignedReplies })],
      client: () => [replyVerifier({ keys, ...unsignedReplies })],
      interceptors: () => [verifiedReplies({ keys, ...unsignedReplies })],
      absentFrom: ["count", "talk", "news"],
    },
  ],
  "middleware/signing#replyVerifier": "middleware/signing#replySigner",
  "middleware/signing#signer": "middleware/signing#verifier",
  "middleware/signing#verifier": [
    {
      server: () => [verifier({ keys })],
      client: () => [signer({ key })],
      interceptors: () => [signatures({ key })],
      refusals: [
        {
          what: "what is not signed",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "signature_missing",
          client: () => [],
          interceptors: () => [],
        },
        {
          what: "what is signed with a key that is not known",
          of: kitChannels,
          code: Code.Unauthenticated,
          reason: "signature_key_unknown",
          client: () => [signer({ key: { ...key, id: "other" } })],
          interceptors: () => [signatures({ key: { ...key, id: "other" } })],
        },
      ],
    },
  ],
  "middleware/timeout#attemptTimeout": [
    { client: () => [attemptTimeout()], absentFrom: ["count", "sum", "talk", "news"] },
    { as: "of everything", client: () => [attemptTimeout({ channels: { [all]: 60_000 } })] },
  ],
  "middleware/timeout#timeout": [
    { client: () => [timeout()] },
    { as: "of everything", client: () => [timeout({ channels: { [all]: 60_000 } })] },
    {
      as: "with all that deals with trouble",
      client: () => [attemptTimeout(), circuitBreaker(), hedging(), retry({ unsafe: [all] }), timeout()],
    },
  ],
  "telemetry/client#telemetry": [
    { client: () => [clientTelemetry()] },
    {
      as: "with an SDK, on both sides",
      server: () => [telemetry(sight().options)],
      client: () => [clientTelemetry(sight().options)],
    },
  ],
  "telemetry/prometheus#prometheus": [
    {
      as: "with telemetry",
      shares: true, // it is for one server
      server: () => {
        const metrics = prometheus();
        return [metrics, telemetry({ meterProvider: metrics.meterProvider })];
      },
    },
  ],
  "telemetry/server#telemetry": [{ server: () => [telemetry()] }],
  "validate/client#validate": [
    { client: () => [clientValidate()], absentFrom: ["save", "look", "count", "post"] },
    { as: "of responses, too", client: () => [clientValidate({ responses: true })] },
  ],
  "validate/server#validate": [
    { server: () => [validate()] },
    { as: "of responses, too", server: () => [validate({ responses: true })] },
    { as: "of nothing", server: () => [validate({ skip: [all] })], absentFrom: kitChannels },
  ],
};

it("every shipped plugin is tried", async () => {
  expect(Object.keys(shipped).toSorted()).toEqual(await shippedPlugins());
  for (const uses of Object.values(shipped)) if (typeof uses === "string") expect(Object.keys(shipped)).toContain(uses);
});

/** "middleware/rate-limit#rateLimit" is named "rate-limit". */
const nameOf = (id: string): string =>
  id.slice(id.indexOf("#") + 1).replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

for (const [id, uses] of Object.entries(shipped)) {
  if (typeof uses === "string") continue;
  for (const { as = "by default", ...subject } of uses)
    describe(`${id} ${as}`, () => describePlugin({ raceway, connect, ...subject, name: nameOf(id) }));
}
