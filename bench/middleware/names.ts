// The middleware that is measured, by name. "websocket+token+rbac" is a transport with middleware.

/** What most servers have; "common" for short. */
export const COMMON: readonly MiddlewareName[] = ["token", "rate-limit", "compression", "batching"];

/** Of the batching that is measured, in milliseconds. */
export const WINDOW_MS = 5;

/** Both ends have these. */
export const SIGNING_KEY = { id: "bench", secret: "a secret of the benchmark, 32 bytes or more" } as const;
export const SEALING = { keys: { bench: new Uint8Array(32).fill(7) }, seal: "bench" } as const;
/** Streams of requests, whose events have no place for a signature. */
export const UNSIGNED: readonly string[] = ["bench.v1.BenchService/Up", "bench.v1.BenchService/PingPong"];

export const middlewareNames = [
  "token",
  "rbac",
  "rate-limit",
  "rate-limit-redis",
  "limits",
  "ip-filter",
  "logging",
  "logging-all",
  "metrics",
  "traces",
  "compression",
  "batching",
  "validate",
  "signing",
  "encryption",
  "cache",
] as const;
export type MiddlewareName = (typeof middlewareNames)[number];

/** A transport and the middleware on it. Throws an Error that says what is wrong. */
export function variantOf(text: string): {
  readonly transport: string;
  readonly middleware: readonly MiddlewareName[];
} {
  const [transport = "", ...names] = text.split("+");
  return { transport, middleware: middlewareOf(names) };
}

export function middlewareOf(names: readonly string[]): readonly MiddlewareName[] {
  const all = names.flatMap((name): readonly string[] => (name === "common" ? COMMON : [name]));
  const unknown = all.find((name) => !isName(name));
  if (unknown !== undefined)
    throw new Error(`There is no middleware "${unknown}"; known: common, ${middlewareNames.join(", ")}.`);
  return all.filter(isName);
}

function isName(name: string): name is MiddlewareName {
  return (middlewareNames as readonly string[]).includes(name);
}
