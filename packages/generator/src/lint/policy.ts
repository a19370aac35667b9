// Rules about policy: who may use a channel, and how much.
import type { DescMethod } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { kindOf } from "../model/options.ts";
import { type Place, optionPart } from "../place.ts";
import { lintDuration } from "./duration.ts";
import type { Report } from "./finding.ts";

type At = (parts: readonly (string | number)[], token?: string) => Place;

export function lintPolicy(policy: ext.ServerPolicy, at: At, report: Report): void {
  if (policy.auth !== undefined) lintAuth(policy.auth, at, report);
  for (const [position, rate] of policy.rateLimits.entries()) {
    const place = at(["rateLimits", position]);
    if (rate.limit === 0)
      report.error(
        "rate_limit_invalid",
        place,
        "this rate limit has no limit",
        "add `limit: 10`, or another number of more than zero.",
      );
    if (rate.burst === 0)
      report.error(
        "rate_limit_invalid",
        place,
        "burst: 0 lets nothing through",
        "write more than zero, or remove burst.",
      );
    if (rate.window === undefined)
      report.error(
        "rate_limit_invalid",
        place,
        "this rate limit has no window",
        "add `window: { seconds: 1 }`, or another time.",
      );
    else lintDuration(rate.window, place, "window", report);
  }
}

function lintAuth(auth: ext.AuthRule, at: At, report: Report): void {
  switch (auth.rule.case) {
    case undefined:
      report.error(
        "auth_invalid",
        at(["auth"], "auth"),
        "this auth says nothing",
        "write `public: true`, or `require: {}` for any known principal.",
      );
      return;
    case "public":
      if (!auth.rule.value)
        report.error(
          "auth_invalid",
          at(["auth", "public"]),
          "public: false says who may not, but not who may",
          "write `require: {}` for any known principal.",
        );
      return;
    case "require":
      for (const list of ["scopes", "roles", "methods"] as const) {
        for (const [position, entry] of auth.rule.value[list].entries()) {
          if (entry.trim() !== "") continue;
          report.error(
            "auth_invalid",
            at(["auth", "require", list, position]),
            `an entry of ${list} is empty`,
            "remove it, or write a name.",
          );
        }
      }
  }
}

/** On a service or a file the same limit is a default for those channels that have subscribers. */
export function lintMisplacedPolicy(method: DescMethod, policy: ext.ServerPolicy, report: Report): void {
  const kind = kindOf(method);
  if (policy.maxSubscribers === undefined || kind === "topic" || kind === "state") return;
  report.error(
    "policy_misplaced",
    optionPart(method, ext.policy, ["maxSubscribers"]),
    `a ${kind} has no subscribers`,
    "write max_concurrent, or make the channel a topic.",
  );
}
