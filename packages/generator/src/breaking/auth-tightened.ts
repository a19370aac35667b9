// Whether somebody whom the old rule of auth let in is not let in by the new one.
import type { ChannelPolicy } from "@raceway/core";

type Auth = NonNullable<ChannelPolicy["auth"]>;
type Require = Extract<Auth, { readonly require: object }>["require"];

/** What changed for whom; undefined if nobody is shut out. */
export function authTightened(before: Auth | undefined, after: Auth | undefined): string | undefined {
  if (after !== undefined && "public" in after) return undefined;
  if (before === undefined || "public" in before) {
    const was = before === undefined ? "left to the server" : "public";
    if (after === undefined) return before === undefined ? undefined : "auth was public, and is left to the server";
    return `auth was ${was}, and asks for ${requireText(after.require)}`;
  }
  if (after === undefined) return undefined; // what a server asks for by itself is not in schemas
  const [was, is] = [before.require, after.require];
  const lists = (["scopes", "roles", "methods"] as const).filter((list) => narrower(was, is, list));
  const policy = is.policy !== undefined && is.policy !== was.policy;
  if (lists.length === 0 && !policy) return undefined;
  return `auth asked for ${requireText(was)}, and asks for ${requireText(is)}`;
}

/** Whoever has just enough for the old list has to have enough for the new one: more never does harm. */
function narrower(before: Require, after: Require, list: "scopes" | "roles" | "methods"): boolean {
  const wanted = before[list] ?? [];
  const enough = wanted.length === 0 ? [[]] : before.match === "any" ? wanted.map((one) => [one]) : [wanted];
  return enough.some((has) => !fulfils(after, list, has));
}

function fulfils(rule: Require, list: "scopes" | "roles" | "methods", has: readonly string[]): boolean {
  const wanted = rule[list] ?? [];
  if (wanted.length === 0) return true;
  return rule.match === "any" ? wanted.some((one) => has.includes(one)) : wanted.every((one) => has.includes(one));
}

function requireText({ scopes, roles, methods, policy, match = "all" }: Require): string {
  const parts = Object.entries({ scopes, roles, methods }).flatMap(([name, list]) =>
    list === undefined
      ? []
      : [`${list.length > 1 ? `${match} of the ${name}` : `the ${name.slice(0, -1)}`} ${list.join(", ")}`],
  );
  if (policy !== undefined) parts.push(`the policy ${policy}`);
  return parts.join(" and ") || "any known principal";
}
