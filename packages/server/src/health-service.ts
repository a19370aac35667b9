// `grpc.health.v1.Health` at the gRPC door, as tools and load balancers of gRPC ask for it: Check, Watch and List, over what `/readyz` says.
import { Code, ConnectError, type ConnectRouter, type ConnectRouterOptions } from "@connectrpc/connect";
import { Health, HealthCheckResponse_ServingStatus as Status } from "./gen/grpc/health/v1/health_pb.ts";
import type { ReadinessProbe } from "./readiness.ts";

/** Of the server as a whole. */
const WHOLE = "";

export interface HealthServiceHost {
  readonly probe: ReadinessProbe;
  /** Full names of the services that are served. */
  readonly services: readonly string[];
  /** Aborted when the server goes down. */
  readonly over: AbortSignal;
  /** Longest message to take, in bytes. */
  readonly messageBytes: number;
}

export const HEALTH_PATH: string = `/${Health.typeName}`;

/** All services are as well as the server is: they share it. Nobody is asked who he is, as at `/readyz`. */
export function registerHealth(
  router: ConnectRouter,
  { probe, services, over, messageBytes }: HealthServiceHost,
): void {
  const known = new Set([WHOLE, ...services]);
  const status = async (): Promise<Status> =>
    (await probe.now()).status === "serving" ? Status.SERVING : Status.NOT_SERVING;
  const options: ConnectRouterOptions = {
    grpc: true,
    grpcWeb: true,
    connect: true,
    readMaxBytes: messageBytes,
    interceptors: [],
  };
  router.service(
    Health,
    {
      async check({ service }) {
        if (!known.has(service))
          throw new ConnectError(`No service ${JSON.stringify(service.slice(0, 200))} is served here.`, Code.NotFound);
        return { status: await status() };
      },
      async list() {
        const now = await status();
        return { statuses: Object.fromEntries([...known].map((name) => [name, { status: now }])) };
      },
      async *watch({ service }, { signal }) {
        const ended = AbortSignal.any([signal, over]);
        let turn = Promise.withResolvers<void>();
        const woken = (): void => turn.resolve();
        using _ = probe.watch(woken);
        ended.addEventListener("abort", woken, { once: true });
        for (let told: Status | undefined; ;) {
          turn = Promise.withResolvers(); // before it is asked, so that nothing falls between
          const now = known.has(service) ? await status() : Status.SERVICE_UNKNOWN;
          if (now !== told) yield { status: (told = now) };
          if (ended.aborted) return;
          await turn.promise;
        }
      },
    },
    options,
  );
}
