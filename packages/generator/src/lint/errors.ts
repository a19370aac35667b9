// Rules about declared errors: each can be told from all others, on the wire and in TypeScript, and says what it is.
import type { DescFile, DescService } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { type DeclaredErrorRule, type ErrorHolder, codeOf, ownErrors, visibleMessages } from "../model/errors.ts";
import { nearest } from "../near.ts";
import { type Place, fileOf, optionPart } from "../place.ts";
import type { Report } from "./finding.ts";

/** As https://google.aip.dev/193 has it, without "__" and a "_" at an end, which names in TypeScript could not keep apart. */
const REASON = /^[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*$/;
const LONGEST_REASON = 63;
/** Details that Raceway adds by itself, and what is to be done in their place. */
const ours: ReadonlyMap<string, string> = new Map([
  ["google.rpc.ErrorInfo", "remove detail; reason and domain are sent with every error."],
  ["google.rpc.RetryInfo", "remove detail, and have the handler say `retryAfterMs`."],
]);

type At = (part: "reason" | "code" | "detail", token?: string) => Place;

/** What a file or a service declares for all its channels. */
export function lintDefaultErrors(holder: DescFile | DescService, report: Report): void {
  lintList(ownErrors(holder), holder.kind === "service" ? ownErrors(holder.file) : [], report);
}

export function lintErrors(service: DescService, report: Report): void {
  const inherited = [service.file, service].flatMap(ownErrors);
  const meanings = new Map(inherited.map((error) => [error.rule.reason, error]));
  for (const method of service.methods) {
    const own = ownErrors(method);
    lintList(own, inherited, report);
    for (const error of own) {
      const before = meanings.get(error.rule.reason);
      if (before === undefined) meanings.set(error.rule.reason, error);
      else if (before.holder.kind === "rpc") lintMeaning(error, before, report);
    }
  }
}

/** Each by itself, and against those that the same channels have besides. */
function lintList(own: readonly DeclaredErrorRule[], inherited: readonly DeclaredErrorRule[], report: Report): void {
  const reasons = new Map(inherited.map((error) => [error.rule.reason, error]));
  const properties = new Map(inherited.map((error) => [error.property, error]));
  for (const error of own) {
    const { rule, property, holder } = error;
    const at = placeOf(error);
    lintReason(rule.reason, at, report);
    lintCode(rule, at, report);
    lintDetail(error, at, report);
    if (rule.reason === "") continue;
    const same = reasons.get(rule.reason);
    const alike = properties.get(property);
    if (same !== undefined) {
      report.error(
        "error_duplicate",
        at("reason", JSON.stringify(rule.reason)),
        same.holder === holder
          ? `${nameOf(holder)} declares ${rule.reason} twice`
          : `${nameOf(holder)} has ${rule.reason} from ${nameOf(same.holder)}`,
        "remove one of them.",
      );
    } else if (alike !== undefined) {
      report.error(
        "name_collision",
        at("reason", JSON.stringify(rule.reason)),
        `${rule.reason} and ${alike.rule.reason} are both \`${property}\` in TypeScript`,
        "rename one of them.",
      );
    }
    reasons.set(rule.reason, error);
    properties.set(property, error);
  }
}

function placeOf({ holder, position }: DeclaredErrorRule): At {
  return (part, token) => {
    switch (holder.kind) {
      case "file":
        return optionPart(holder, ext.file, ["defaults", "errors", position, part], token);
      case "service":
        return optionPart(holder, ext.service, ["defaults", "errors", position, part], token);
      case "rpc":
        return optionPart(holder, ext.channel, ["errors", position, part], token);
    }
  };
}

function nameOf(holder: ErrorHolder): string {
  return holder.kind === "file" ? holder.proto.name : holder.name;
}

function lintCode({ reason, code }: ext.ErrorRule, at: At, report: Report): void {
  if (ext.ErrorRule_CodeSchema.value[code] !== undefined && code !== ext.ErrorRule_Code.OK) return;
  report.error(
    "error_code",
    at("code", code === ext.ErrorRule_Code.OK && reason !== "" ? JSON.stringify(reason) : undefined),
    code === ext.ErrorRule_Code.OK ? `${reason || "this error"} has no code, or OK` : `${code} is not a code`,
    "write `code: FAILED_PRECONDITION`, or another code that says what a caller can do.",
  );
}

function lintReason(reason: string, at: At, report: Report): void {
  const place = at("reason", JSON.stringify(reason));
  if (reason === "") {
    report.error(
      "error_reason",
      at("reason", "errors"),
      "this error has no reason",
      'add one, such as `reason: "ROOM_FULL"`.',
    );
  } else if (!REASON.test(reason)) {
    report.error(
      "error_reason",
      place,
      `\`${reason}\` cannot be a reason`,
      `write it in capital letters and digits, words divided by _${suggested(reason)}.`,
    );
  } else if (reason.length > LONGEST_REASON) {
    report.error(
      "error_reason",
      place,
      `a reason of ${reason.length} characters is longer than ${LONGEST_REASON}`,
      "shorten it; say the rest in `message`.",
    );
  }
}

function suggested(reason: string): string {
  if (/[^\x20-\x7e]/.test(reason)) return "";
  const words =
    reason
      .replaceAll(/([a-z0-9])([A-Z])/g, "$1_$2")
      .toUpperCase()
      .match(/[A-Z0-9]+/g) ?? [];
  const better = words.join("_");
  return REASON.test(better) ? `: ${better}` : "";
}

function lintDetail({ rule, holder, detail }: DeclaredErrorRule, at: At, report: Report): void {
  if (rule.detail === "") return;
  const place = at("detail", rule.detail);
  if (detail === undefined) {
    const known = [...visibleMessages(fileOf(holder)).keys()];
    const guess = nearest(rule.detail, [...known, ...known.map((name) => name.slice(name.lastIndexOf(".") + 1))]);
    report.error(
      "error_detail",
      place,
      `\`${rule.detail}\` is not a message of this file, or of one that it imports`,
      guess === undefined ? "declare it, or import the file that does." : `did you mean \`${guess}\`?`,
    );
    return;
  }
  const mend = ours.get(detail.typeName);
  if (mend !== undefined) report.error("error_detail", place, `${detail.typeName} is added by Raceway itself`, mend);
}

/** Whoever logs or counts errors knows them by domain and reason alone. */
function lintMeaning(error: DeclaredErrorRule, before: DeclaredErrorRule, report: Report): void {
  const { rule, holder } = error;
  if (before.holder === holder) return; // declared twice, which has been said
  const at = placeOf(error);
  const [here, there] = [nameOf(holder), nameOf(before.holder)];
  if (rule.code !== before.rule.code) {
    report.error(
      "error_duplicate",
      at("code", "code"),
      `${rule.reason} is ${codeOf(rule.code)} in ${here}, and ${codeOf(before.rule.code)} in ${there}`,
      "give both the same code, or another reason.",
    );
  }
  const [brought, known] = [error, before].map(({ detail, rule: { detail: written } }) =>
    written === "" ? "no detail" : (detail?.typeName ?? written),
  );
  if (brought !== known) {
    report.error(
      "error_duplicate",
      at("detail", JSON.stringify(rule.detail || rule.reason)),
      `${rule.reason} brings ${brought} in ${here}, and ${known} in ${there}`,
      "give both the same detail, or another reason.",
    );
  }
}
