// Rules about policy: who may use a channel, and how much.
import type { DescMethod } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { kindOf, milliseconds } from "../model/options.ts";
import { type Place, optionPart } from "../place.ts";
import { visibleText } from "../visible-text.ts";
import { lintDuration } from "./duration.ts";
import type { Report } from "./finding.ts";

/** Blanks at an end, and what cannot be seen at all. */
const BLANK = /^\s|\s$|[\p{Cc}\p{Cf}\u2028\u2029]/u;

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
    if (ext.RateLimit_ScopeSchema.value[rate.scope] === undefined)
      report.error(
        "rate_limit_invalid",
        place,
        `${rate.scope} is not a scope`,
        "write SCOPE_PRINCIPAL, or another scope.",
      );
    if (rate.burst !== undefined && rate.burst > 0 && rate.burst < rate.limit) {
      report.warning(
        "rate_limit_burst",
        place,
        `burst: ${rate.burst} is all that may come at once, not what may come on top of limit: ${rate.limit}`,
        `write at least ${rate.limit}, or remove burst; leave it if callers are to spread what they send.`,
      );
    }
  }
  lintRedundant(policy.rateLimits, at, report);
  if (policy.audit !== undefined) lintName(policy.audit, "audit", at(["audit"]), report);
}

/** A limit that another of the same scope reaches first, whatever comes, was meant otherwise. */
function lintRedundant(rates: readonly ext.RateLimit[], at: At, report: Report): void {
  const known = rates.map((rate) => ({
    scope: rate.scope || ext.RateLimit_Scope.PRINCIPAL,
    perMs: rate.limit / (milliseconds(rate.window) ?? 0),
    burst: rate.burst ?? rate.limit,
    text: `${rate.limit} in ${milliseconds(rate.window)} ms`,
  }));
  for (const [position, rate] of known.entries()) {
    if (!(rate.perMs > 0 && Number.isFinite(rate.perMs))) continue; // which has been said
    const narrower = known.find(
      (other, before) =>
        other.scope === rate.scope &&
        (other.perMs < rate.perMs || (other.perMs === rate.perMs && before < position)) &&
        other.perMs > 0 &&
        other.burst <= rate.burst,
    );
    if (narrower === undefined) continue;
    report.error(
      "rate_limit_redundant",
      at(["rateLimits", position]),
      `${rate.text} refuses nothing that ${narrower.text} of the same scope lets through`,
      "remove one of them, or change its scope.",
    );
  }
}

/** Names are compared as they are, so a blank that nobody sees makes another name. */
function lintName(name: string, what: string, place: Place, report: Report): void {
  if (name === "") report.error("policy_name", place, `${what} is empty`, `write a name, or remove ${what}.`);
  else if (BLANK.test(name))
    report.error(
      "policy_name",
      place,
      `${what} ${visibleText(name)} has a blank at an end, or a sign that is none`,
      "write it without.",
    );
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
      for (const list of ["scopes", "roles", "methods"] as const)
        lintEntries(
          auth.rule.value[list],
          list,
          (position, token) => at(["auth", "require", list, position], token),
          report,
        );
      if (auth.rule.value.policy !== undefined)
        lintName(auth.rule.value.policy, "policy", at(["auth", "require", "policy"]), report);
      if (ext.AuthRule_Require_MatchSchema.value[auth.rule.value.match] === undefined) {
        report.error(
          "auth_invalid",
          at(["auth", "require", "match"]),
          `${auth.rule.value.match} is not a match`,
          "write MATCH_ALL or MATCH_ANY.",
        );
      }
  }
}

function lintEntries(
  entries: readonly string[],
  list: "scopes" | "roles" | "methods",
  at: (position: number, token: string) => Place,
  report: Report,
): void {
  for (const [position, entry] of entries.entries()) {
    const place = at(position, JSON.stringify(entry));
    if (entry.trim() === "") {
      report.error("auth_invalid", place, `an entry of ${list} is empty`, "remove it, or write a name.");
    } else if (list === "scopes" && /\s/.test(entry.trim())) {
      // RFC 6749, 3.3: blanks divide scopes.
      const parts = entry
        .trim()
        .split(/\s+/)
        .map((one) => JSON.stringify(one));
      report.error(
        "auth_invalid",
        place,
        `"${entry}" is ${parts.length} scopes, since blanks divide them`,
        `write [${parts.join(", ")}].`,
      );
    } else if (BLANK.test(entry)) {
      report.error(
        "auth_invalid",
        place,
        `${visibleText(entry)} in ${list} has a blank at an end, or a sign that is none`,
        "write it without.",
      );
    } else if (entries.indexOf(entry) < position) {
      report.error("auth_invalid", place, `"${entry}" is in ${list} twice`, "remove one of them.");
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
