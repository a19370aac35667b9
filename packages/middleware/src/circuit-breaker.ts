// Client: calls to what has failed too often of late are refused here, at once, until it is given another chance.
import { Code, ConnectError } from "@connectrpc/connect";
import {
  type Logger,
  type OptionsOf,
  type Plugin,
  definePlugin,
  fail,
  learn,
  resilienceReasons,
  resolveOptions,
} from "@raceway/core";
import { Circuit, type CircuitState, type Outcome } from "./circuit.ts";
import { codesOf } from "./codes.ts";

export type { CircuitState } from "./circuit.ts";

learn(resilienceReasons);

export const circuitBreakerOptions = {
  /** What has a circuit of its own. */
  scope: { kind: "text", default: "channel", values: ["channel", "service"] },
  /** Calls count for so long. */
  windowMs: { kind: "number", default: 10_000, min: 100, max: 3_600_000, unit: "ms" },
  /** Fewer calls within the window do not open it, however they end. */
  leastCalls: { kind: "number", default: 20, min: 1, max: 1_000_000, unit: "count" },
  /** It opens when this share of them failed. */
  failureShare: { kind: "number", default: 0.5, min: 0.01, max: 1, unit: "ratio" },
  /** It stays open for so long, and by chance up to a fifth longer. */
  openMs: { kind: "number", default: 5_000, min: 1, max: 3_600_000, unit: "ms" },
  /** Then so many calls are let through; it closes when all of them went well. */
  probes: { kind: "number", default: 1, min: 1, max: 1_000, unit: "count" },
  /** Codes that count as failures: those that say something about the other side. */
  codes: { kind: "list", default: ["unavailable", "deadline_exceeded", "internal", "unknown", "data_loss"] },
} as const;

export type CircuitBreakerOptions = OptionsOf<typeof circuitBreakerOptions>;

/** One circuit, as it is now; never changed. */
export interface CircuitSnapshot {
  /** "package.Service/Method", or "package.Service" with `scope: "service"`. */
  readonly circuit: string;
  readonly state: CircuitState;
  /** Calls that ended within the window, and how many of them failed. */
  readonly calls: number;
  readonly failures: number;
  /** Milliseconds until a call is let through again; 0 if one would be now. */
  readonly retryAfterMs: number;
}

export interface CircuitBreaker extends Plugin {
  /** All circuits that have been used, over all connections that this breaker is in. */
  readonly circuits: readonly CircuitSnapshot[];
  /** Calls `listener` at each change of state, until disposed. */
  subscribe(listener: (circuit: CircuitSnapshot) => void): Disposable & (() => void);
}

/**
 * Refuses with `circuit_open`, and says how long to wait. Each connection has circuits of its own. Streams count by how they begin. What the caller cancels counts as
 * nothing.
 */
export function circuitBreaker(given: CircuitBreakerOptions = {}): CircuitBreaker {
  const options = resolveOptions("circuit-breaker", circuitBreakerOptions, given);
  const failures = codesOf("circuit-breaker", "codes", options.codes);
  const circuits = new Set<Circuit>();
  const listeners = new Set<(circuit: CircuitSnapshot) => void>();
  const tell = (circuit: Circuit, log: Logger): void => {
    const snapshot = snapshotOf(circuit);
    for (const listener of listeners) {
      try {
        listener(snapshot);
      } catch (error) {
        log.error("a listener of circuits failed", { error: String(error) });
      }
    }
  };
  const plugin = definePlugin({
    name: "circuit-breaker",
    after: ["timeout", "retry", "hedging"],
    before: ["attempt-timeout"],
    start: ({ clock, random, log }) => {
      const own = new Map<string, Circuit>();
      const changed = (circuit: Circuit): void => {
        const { name, state } = circuit;
        if (state === "open") log.warn("a circuit opened", { circuit: name, waitMs: circuit.waitMs });
        else log.info("a circuit changed", { circuit: name, state });
        tell(circuit, log);
      };
      const circuitOf = (name: string): Circuit => {
        let circuit = own.get(name);
        if (circuit === undefined) {
          circuit = new Circuit(name, options, { clock, random, changed });
          own.set(name, circuit);
          circuits.add(circuit);
        }
        return circuit;
      };
      return {
        call(channel) {
          const { kind } = channel.contract;
          if (kind === "topic" || kind === "signal") return undefined; // they survive outages by themselves
          const circuit = circuitOf(options.scope === "service" ? channel.service.typeName : channel.path.slice(1));
          return (next) =>
            async function circuitBreaker(request) {
              const ended = circuit.enter();
              if (ended === undefined)
                throw fail("circuit_open", { circuit: circuit.name, retryAfterMs: circuit.waitMs });
              let outcome: Outcome = "neither";
              try {
                const response = await next(request);
                outcome = "well";
                return response;
              } catch (cause) {
                const { aborted, reason } = request.signal as { readonly aborted: boolean; readonly reason: unknown };
                if (failures.has(aborted ? whyAborted(reason) : ConnectError.from(cause, Code.Canceled).code))
                  outcome = "failed";
                else if (!aborted) outcome = "well"; // an answer, if no welcome one
                throw cause;
              } finally {
                ended(outcome);
              }
            };
        },
        async [Symbol.asyncDispose]() {
          for (const circuit of own.values()) circuits.delete(circuit);
        },
      };
    },
  });
  return {
    ...plugin,
    get circuits() {
      return [...circuits].map(snapshotOf);
    },
    subscribe(listener) {
      const own = (circuit: CircuitSnapshot): void => listener(circuit);
      listeners.add(own);
      const end = (): void => void listeners.delete(own);
      return Object.assign(end, { [Symbol.dispose]: end });
    },
  };
}

/** A deadline of whoever is outside says something about the other side, his change of mind does not. `AbortSignal.timeout` is a deadline, which Connect takes for a change of mind. */
function whyAborted(reason: unknown): Code {
  if (reason instanceof Error && reason.name === "TimeoutError") return Code.DeadlineExceeded;
  return ConnectError.from(reason, Code.Canceled).code;
}

function snapshotOf(circuit: Circuit): CircuitSnapshot {
  const { name, state, calls, failures, waitMs } = circuit;
  return { circuit: name, state, calls, failures, retryAfterMs: waitMs };
}
