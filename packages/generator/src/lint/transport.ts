// Rules about how a channel travels: sizes and transports.
import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionOf } from "../model/option-of.ts";
import { contractOf } from "../model/options.ts";
import { nearest } from "../near.ts";
import { type Place, nameOf, optionPart } from "../place.ts";
import type { Report } from "./finding.ts";

/** Above, a message blocks its link for long, and two of them may not fit into a batch. */
const LARGE_BYTES = 16 * 1024 * 1024;
/** What comes with Raceway; names are an open set. */
const known = ["websocket", "sse", "poll", "grpc", "mqtt", "memory", "port"];
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
      } else {
        const guess = known.includes(name) ? undefined : nearest(name, known);
        if (guess !== undefined) {
          report.warning(
            "transport_invalid",
            at([list, position], JSON.stringify(name)),
            `no transport that comes with Raceway is called "${name}"`,
            `did you mean "${guess}"?`,
          );
        }
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

/** Sizes that the method itself says, against those that it inherits. */
export function lintSizes(method: DescMethod, report: Report): void {
  const channel = optionOf(method, ext.channel);
  const { maxMessageBytes, window, history } = contractOf(method);
  const { wire } = channel;
  lintWindow(
    { maxMessageBytes, windowBytes: window?.bytes },
    wire,
    (part, token) => optionPart(method, ext.channel, ["wire", part], token),
    report,
  );
  const { kind } = channel;
  if (history?.maxBytes === undefined || maxMessageBytes === undefined || history.maxBytes >= maxMessageBytes) return;
  if (history.maxBytes === 0) return; // which has been said
  report.error(
    "size_conflict",
    optionPart(method, ext.channel, [kind.case!, "history", "maxBytes"], "max_bytes"),
    `a history of ${history.maxBytes} bytes has no room for a message of max_message_bytes: ${maxMessageBytes}`,
    `write a max_bytes of at least ${maxMessageBytes}, or a smaller max_message_bytes.`,
  );
}

/** The same of a service, over what its file says, and of a file. */
export function lintDefaultSizes(desc: DescFile | DescService, report: Report): void {
  const own =
    desc.kind === "file" ? optionOf(desc, ext.file).defaults?.wire : optionOf(desc, ext.service).defaults?.wire;
  const above = desc.kind === "file" ? undefined : optionOf(desc.file, ext.file).defaults?.wire;
  const option = desc.kind === "file" ? ext.file : ext.service;
  lintWindow(
    {
      maxMessageBytes: own?.maxMessageBytes ?? above?.maxMessageBytes,
      windowBytes: own?.windowBytes ?? above?.windowBytes,
    },
    own,
    (part, token) => optionPart(desc, option, ["defaults", "wire", part], token),
    report,
  );
}

/** What holds is told where some of it is said: once, and not for each channel that inherits it. */
function lintWindow(
  {
    maxMessageBytes,
    windowBytes,
  }: { readonly maxMessageBytes: number | undefined; readonly windowBytes: number | undefined },
  own: ext.WireRules | undefined,
  at: (part: "windowBytes" | "maxMessageBytes", token: string) => Place,
  report: Report,
): void {
  if (own?.windowBytes === undefined && own?.maxMessageBytes === undefined) return;
  if (windowBytes === undefined || maxMessageBytes === undefined || windowBytes >= maxMessageBytes) return;
  if (windowBytes === 0) return; // which has been said
  report.error(
    "size_conflict",
    own.windowBytes === undefined ? at("maxMessageBytes", "max_message_bytes") : at("windowBytes", "window_bytes"),
    `a window of ${windowBytes} bytes has no room for a message of max_message_bytes: ${maxMessageBytes}`,
    `write a window_bytes of at least ${maxMessageBytes}, or a smaller max_message_bytes.`,
  );
}
