// What each middleware puts into a server, set up as for a busy one: it lets everything through, and does its work each time.
import type { Backplane, ChannelPolicy, Plugin, PluginList } from "@raceway/core";
import { memory } from "@raceway/server";
import { type MiddlewareName, SEALING, SIGNING_KEY, UNSIGNED, WINDOW_MS } from "./names.ts";

export interface Installed {
  readonly use: PluginList;
  /** By method. */
  readonly policy: Readonly<Record<string, ChannelPolicy>>;
  readonly backplane: Backplane;
  /** What a client has to show; "" for nothing. */
  readonly credential: string;
}

/** More than any load asks for: what is counted is the counting. */
const MANY = 1_000_000;
const methods = ["echo", "down", "up", "pingPong", "ticks"];

/** Only what is named is loaded. */
export async function installServer(names: readonly MiddlewareName[]): Promise<Installed> {
  const needsPrincipal = names.includes("token") || names.includes("rbac");
  const tokens = needsPrincipal ? await issueToken() : undefined;
  const use: Plugin[] = tokens === undefined ? [] : [tokens.plugin];
  for (const name of names) if (name !== "token") use.push(await makers[name]());
  const require = { auth: { require: { scopes: ["bench"] } } };
  return {
    use,
    policy: names.includes("rbac") ? Object.fromEntries(methods.map((method) => [method, require])) : {},
    backplane: names.includes("rate-limit-redis") ? await redisBackplane() : memory(),
    credential: tokens?.credential ?? "",
  };
}

/** A JWT as an issuer of today signs them, and the plugin that believes it. */
async function issueToken(): Promise<{ readonly plugin: Plugin; readonly credential: string }> {
  const { token } = await import("@raceway/auth-token/server");
  const { SignJWT, exportJWK, generateKeyPair } = await import("jose");
  const { privateKey, publicKey } = await generateKeyPair("ES256");
  const jwk = { ...(await exportJWK(publicKey)), alg: "ES256", kid: "bench" };
  const credential = await new SignJWT({ scope: "bench" })
    .setProtectedHeader({ alg: "ES256", kid: "bench" })
    .setIssuer("bench")
    .setAudience("bench")
    .setSubject("load")
    .setExpirationTime("12h")
    .sign(privateKey);
  return { plugin: token({ issuer: "bench", audience: "bench", keys: { keys: [jwk] } }), credential };
}

async function redisBackplane(): Promise<Backplane> {
  const { redisStore } = await import("@raceway/backplane-redis");
  return memory({ store: redisStore({ url: process.env["BENCH_REDIS_URL"] ?? "" }) });
}

async function countRates(): Promise<Plugin> {
  const { rateLimit } = await import("@raceway/middleware/rate-limit");
  return rateLimit({ perSecond: MANY, burst: MANY });
}

/** Lines end in /dev/null: pino's price, and not the disk's. */
async function logTo(linesPerSecond: number): Promise<Plugin> {
  const { logging } = await import("@raceway/middleware/logging");
  const { default: pino } = await import("pino");
  return logging({ log: pino(pino.destination({ dest: "/dev/null", sync: false })), linesPerSecond });
}

const makers: Readonly<Record<Exclude<MiddlewareName, "token">, () => Promise<Plugin>>> = {
  rbac: async () => (await import("@raceway/middleware/rbac")).rbac(),
  "rate-limit": countRates,
  "rate-limit-redis": countRates,
  limits: async () =>
    (await import("@raceway/middleware/limits")).limits({
      concurrent: MANY,
      concurrentPerPrincipal: MANY,
      subscribers: MANY,
    }),
  "ip-filter": async () => (await import("@raceway/middleware/ip-filter")).ipFilter({ allow: ["127.0.0.0/8"] }),
  logging: () => logTo(1_000),
  "logging-all": () => logTo(0),
  metrics: () => telemetryWith(false),
  traces: () => telemetryWith(true),
  compression: async () => (await import("@raceway/middleware/compression")).compression(),
  batching: async () => (await import("@raceway/middleware/batching")).batching({ windowMs: WINDOW_MS }),
  validate: async () => (await import("@raceway/validate/server")).validate(),
  signing: async () =>
    (await import("@raceway/middleware/signing")).verifier({
      keys: { [SIGNING_KEY.id]: { secret: SIGNING_KEY.secret } },
      unsigned: UNSIGNED,
    }),
  encryption: async () => (await import("@raceway/middleware/encryption")).encryption(SEALING),
  // Of 64 calls in flight that say the same one runs: what is counted is an answer that is there.
  cache: async () =>
    (await import("@raceway/middleware/cache")).cache({
      channels: { "bench.v1.BenchService/Echo": { maxAgeMs: 60_000, scope: "public" } },
    }),
};

/** OpenTelemetry's own SDK; all is recorded, nothing is exported. */
async function telemetryWith(spans: boolean): Promise<Plugin> {
  const { telemetry } = await import("@raceway/telemetry/server");
  const { MeterProvider, MetricReader } = await import("@opentelemetry/sdk-metrics");
  const { NoopSpanProcessor, TracerProvider } = await import("@opentelemetry/sdk-trace");
  class Reader extends MetricReader {
    protected override onShutdown = (): Promise<void> => Promise.resolve();
    protected override onForceFlush = (): Promise<void> => Promise.resolve();
  }
  return telemetry({
    tracerProvider: spans && new TracerProvider({ spanProcessors: [new NoopSpanProcessor()] }),
    meterProvider: !spans && new MeterProvider({ readers: [new Reader()] }),
  });
}
