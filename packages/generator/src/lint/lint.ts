// All rules about channels, run over the files that were asked for.
import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionOf } from "../model/option-of.ts";
import { optionPart } from "../place.ts";
import { type Address, lintAddress, lintDuplicates } from "./address.ts";
import { lintCall, lintConflation, lintHistory, lintKind } from "./channel.ts";
import { lintDefaultErrors, lintErrors } from "./errors.ts";
import type { Finding, Report } from "./finding.ts";
import { lintInert } from "./inert.ts";
import { lintMessageKeys, lintMethodNames, lintOutputNames, lintDeclaredNames } from "./names.ts";
import { lintMisplacedPolicy, lintPolicy } from "./policy.ts";
import { lintDefaultSizes, lintRemainingTransports, lintSizes, lintTransports, lintWire } from "./transport.ts";

export function lint(files: readonly DescFile[]): readonly Finding[] {
  const findings: Finding[] = [];
  const report: Report = {
    error: (rule, place, message, mend) => void findings.push({ rule, severity: "error", place, message, mend }),
    warning: (rule, place, message, mend) => void findings.push({ rule, severity: "warning", place, message, mend }),
  };
  lintOutputNames(files, report);
  const addresses: Address[] = [];
  for (const file of files) {
    lintDeclaredNames(file, report);
    lintMessageKeys(file, report);
    lintDefaults(file, report);
    for (const service of file.services) {
      lintMethodNames(service, report);
      lintErrors(service, report);
      lintDefaults(service, report);
      for (const method of service.methods) addresses.push(...lintMethod(method, report));
    }
  }
  lintDuplicates(addresses, report);
  return findings;
}

function lintDefaults(desc: DescFile | DescService, report: Report): void {
  const rules = desc.kind === "file" ? ext.file : ext.service;
  const policy = desc.kind === "file" ? ext.file_policy : ext.service_policy;
  const { defaults } = desc.kind === "file" ? optionOf(desc, ext.file) : optionOf(desc, ext.service);
  if (defaults?.wire !== undefined)
    lintWire(defaults.wire, (parts, token) => optionPart(desc, rules, ["defaults", "wire", ...parts], token), report);
  if (defaults?.transport !== undefined)
    lintTransports(
      defaults.transport,
      (parts, token) => optionPart(desc, rules, ["defaults", "transport", ...parts], token),
      report,
    );
  if (defaults !== undefined) lintInert(desc, defaults, report);
  lintDefaultErrors(desc, report);
  lintDefaultSizes(desc, report);
  lintPolicy(
    desc.kind === "file" ? optionOf(desc, ext.file_policy) : optionOf(desc, ext.service_policy),
    (parts, token) => optionPart(desc, policy, parts, token),
    report,
  );
}

/** Its address, if it has a good one. */
function lintMethod(method: DescMethod, report: Report): readonly Address[] {
  const channel = optionOf(method, ext.channel);
  if (!lintKind(method, channel, report)) return []; // what else is said about the kind would only repeat it
  const address = lintAddress(method, channel, report);
  lintCall(method, channel, report);
  lintHistory(method, channel, report);
  lintConflation(method, channel, report);
  lintInert(method, channel, report);
  if (channel.wire !== undefined)
    lintWire(channel.wire, (parts, token) => optionPart(method, ext.channel, ["wire", ...parts], token), report);
  if (channel.transport !== undefined)
    lintTransports(
      channel.transport,
      (parts, token) => optionPart(method, ext.channel, ["transport", ...parts], token),
      report,
    );
  lintRemainingTransports(method, report);
  lintSizes(method, report);
  const policy = optionOf(method, ext.policy);
  lintPolicy(policy, (parts, token) => optionPart(method, ext.policy, parts, token), report);
  lintMisplacedPolicy(method, policy, report);
  return address === undefined ? [] : [address];
}
