// Bytes per second and principal or address, both ways: who has used them up is slowed down, and opens no new calls at native doors.
import type { ContextValues, Interceptor } from "@connectrpc/connect";
import { type ByteMeter, type Host, fail, transportName } from "@raceway/core";
import { Allowances } from "./allowance.ts";
import { whoOf } from "./who.ts";

export interface ByteLimitOptions {
  readonly bytesInPerSecond: number;
  readonly bytesOutPerSecond: number;
  readonly bytesBurst: number;
  readonly bytesScope: "principal" | "address";
}

export class ByteLimits implements Disposable {
  readonly #options: ByteLimitOptions;
  readonly #in: Allowances | undefined;
  readonly #out: Allowances | undefined;

  constructor(host: Host, options: ByteLimitOptions) {
    this.#options = options;
    const { bytesInPerSecond, bytesOutPerSecond, bytesBurst: burst } = options;
    const allowances = (name: string, perSecond: number): Allowances | undefined =>
      perSecond === 0 ? undefined : new Allowances(host, name, { perSecond, burst });
    this.#in = allowances("bytes in", bytesInPerSecond);
    this.#out = allowances("bytes out", bytesOutPerSecond);
  }

  get limited(): boolean {
    return this.#in !== undefined || this.#out !== undefined;
  }

  /** Of one link, or of one call at a native door. */
  meterOf(context: ContextValues): ByteMeter {
    const who = whoOf(this.#options.bytesScope, context);
    const into = this.#in?.of(who);
    const out = this.#out?.of(who);
    return { spend: (direction, bytes) => (direction === "in" ? into : out)?.spend(bytes) };
  }

  /** Throws `bytes_limited` for what begins at a native door: each such call would wait in memory, and there is no end to how many may come. */
  check(context: ContextValues): void {
    if (!this.limited || context.get(transportName) !== "native") return;
    const { bytesInPerSecond, bytesOutPerSecond, bytesScope: scope } = this.#options;
    const who = whoOf(scope, context);
    for (const [allowances, perSecond] of [
      [this.#in, bytesInPerSecond],
      [this.#out, bytesOutPerSecond],
    ] as const) {
      const retryAfterMs = allowances?.of(who).overMs ?? 0;
      if (retryAfterMs > 0) throw fail("bytes_limited", { perSecond, scope, retryAfterMs });
    }
  }

  /** Where nothing but bytes is limited. */
  readonly interceptor: Interceptor = (next) => (request) => {
    this.check(request.contextValues);
    return next(request);
  };

  [Symbol.dispose](): void {
    this.#in?.[Symbol.dispose]();
    this.#out?.[Symbol.dispose]();
  }
}
