// How services of ours that are not for everybody are mounted: served as any other, under one rule of authorization that has to be said.
import {
  type ChannelPolicy,
  type OptionTable,
  type ServiceContract,
  type ServiceDefinition,
  fail,
  resolveOptions,
} from "@raceway/core";

/** Who may call, as `auth` of a policy in a schema: `{ require: { roles: ["operator"] } }`, say, which `rbac` keeps. Everybody is `{ public: true }`, which has to be said. */
export type Guard = NonNullable<ChannelPolicy["auth"]>;

/** What `require` may say. Which scopes, roles and methods there are only those who show them know. */
const demandOptions = {
  scopes: { kind: "list", default: [] },
  roles: { kind: "list", default: [] },
  methods: { kind: "list", default: [] },
  policy: { kind: "text", default: "" },
  match: { kind: "text", default: "all", values: ["all", "any"] },
} as const satisfies OptionTable;

/**
 * All channels of the service under the guard. Throws `service_unguarded` if there is none, or if it says two things: who takes one of them for the rule would take the other for none;
 * `option_unknown` or `option_invalid` for a demand that nobody would keep.
 */
export function guarded<H extends object>(contract: ServiceContract, guard: Guard): ServiceDefinition<H> {
  const { service } = contract;
  const said = guard as Partial<{ readonly public: unknown; readonly require: unknown }> | undefined;
  const demands = typeof said?.require === "object" && said.require !== null;
  if (Object.keys(said ?? {}).length !== 1 || (said?.public !== true && !demands))
    throw fail("service_unguarded", { service: service.typeName });
  if ("require" in guard) resolveOptions(`auth.require of ${service.typeName}`, demandOptions, guard.require);
  return { contract, policy: Object.fromEntries(service.methods.map(({ localName }) => [localName, { auth: guard }])) };
}
