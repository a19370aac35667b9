// Rules about how a channel travels: sizes and transports.
import type { DescMethod } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionOf } from "../model/option-of.ts";
import { contractOf } from "../model/options.ts";
import { type Place, nameOf, optionPart } from "../place.ts";
import type { Report } from "./finding.ts";

/** Above, a message blocks its link for long, and two of them may not fit into a batch. */
const LARGE_BYTES = 16 * 1024 * 1024;
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

type At = (parts: readonly (string | number)[], token?: string) => Place;

export function lintWire(wire: ext.WireRules, at: At, report: Report): void {
  for (const [part, name, value] of [
    ["maxMessageBytes", "max_message_bytes", wire.maxMessageBytes],
    ["windowMessages", "window_messages", wire.windowMessages],
    ["windowBytes", "window_bytes", wire.windowBytes],
  ] as const) {
    if (value === 0)
      report.error(
        "size_invalid",
        at([part], name),
        `${name}: 0 lets nothing through`,
        `write more than zero, or remove ${name}.`,
      );
  }
  if (wire.maxMessageBytes !== undefined && wire.maxMessageBytes > LARGE_BYTES) {
    report.warning(
      "size_invalid",
      at(["maxMessageBytes"], "max_message_bytes"),
      `max_message_bytes: ${wire.maxMessageBytes} is more than 16 MiB, which few peers and proxies take in one piece`,
      "send large things as a stream of parts.",
    );
  }
}

export function lintTransports(rules: ext.TransportRules, at: At, report: Report): void {
  for (const list of ["allow", "prefer", "deny"] as const) {
    for (const [position, name] of rules[list].entries()) {
      if (!NAME.test(name)) {
        report.error(
          "transport_invalid",
          at([list, position], JSON.stringify(name)),
          `"${name}" cannot be the name of a transport`,
          "write its name in kebab-case, as in the plugin's README.",
        );
      } else if (rules[list].indexOf(name) < position) {
        report.error("transport_invalid", at([list, position]), `"${name}" is in ${list} twice`, "remove one of them.");
      }
    }
  }
}

/** What is left after all that the method, its service and its file say. */
export function lintRemainingTransports(method: DescMethod, report: Report): void {
  const { allow, prefer = [], deny = [] } = contractOf(method).transports ?? {};
  const own = optionOf(method, ext.channel).transport;
  const place = own === undefined ? nameOf(method) : optionPart(method, ext.channel, ["transport"]);
  if (allow?.every((name) => deny.includes(name))) {
    report.error(
      "transport_none",
      place,
      `${method.name} allows ${allow.join(", ")}, and denies all of them`,
      "allow another transport, or deny fewer.",
    );
    return;
  }
  for (const name of prefer) {
    if (deny.includes(name) || allow?.includes(name) === false) {
      report.error(
        "transport_none",
        place,
        `${method.name} prefers ${name}, which it does not allow`,
        `remove ${name} from prefer, or allow it.`,
      );
    }
  }
}
