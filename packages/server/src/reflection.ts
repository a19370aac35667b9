// `@raceway/server/reflection`: a server gives its schemas to who may have them, by the service that tools of gRPC ask, `grpc.reflection.v1.ServerReflection`.
import { checkOptionNames } from "@raceway/core";
import { type Guard, guarded } from "./guard.ts";
import type { Raceway } from "./raceway.ts";
import { reflectionServices } from "./reflection/service.ts";

export type { Guard } from "./guard.ts";

export interface ReflectionOptions {
  /** Who may ask: `{ require: { roles: ["operator"] } }`, say, as in a schema, and kept by the plugin `rbac`. Everybody is `{ public: true }`. */
  readonly auth: Guard;
  /** The policies, too: who may use each channel, and how much. Else they stay with the server. Default false. */
  readonly policies?: boolean;
}

/**
 * Serves `grpc.reflection.v1.ServerReflection` and its older name v1alpha, by sessions and at the native doors: all that the app serves, also what it serves later.
 * Call it before the first `listen`, `attach` or `fetch`. Throws `service_unguarded` if nothing is said of who may ask,
 * `option_unknown` or `option_invalid` for a rule with a slip in it.
 */
export function serveReflection(app: Raceway, options: ReflectionOptions): void {
  checkOptionNames("serveReflection", options, ["auth", "policies"]);
  const { auth, policies = false } = options;
  for (const { contract, handlers } of reflectionServices(app, policies)) app.serve(guarded(contract, auth), handlers);
}
