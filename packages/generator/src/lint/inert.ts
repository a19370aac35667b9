// The rule about options that are ahead of the runtime: they are carried into the contract, but nothing acts on them yet.
import type { DescFile, DescMethod, DescService } from "@bufbuild/protobuf";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionPart } from "../place.ts";
import type { Report } from "./finding.ts";

/** When client or server learn one of these, it goes from here; `docs/schema.md` has the same list, held by a test. */
export const inertOptions: readonly string[] = [
  "topic.conflation",
  "conflation.interval",
  "wire.max_message_bytes",
  "wire.window_messages",
  "wire.window_bytes",
  "transport.allow",
  "transport.prefer",
  "transport.deny",
];

/** Whoever writes such an option is told, so that nobody relies on it. */
export function lintInert(
  desc: DescFile | DescService | DescMethod,
  rules: ext.Channel | ext.ChannelDefaults,
  report: Report,
): void {
  const before = desc.kind === "rpc" ? [] : ["defaults"];
  const option = desc.kind === "rpc" ? ext.channel : desc.kind === "service" ? ext.service : ext.file;
  const say = (parts: readonly string[], name: string, token: string): void =>
    report.warning(
      "option_inert",
      optionPart(desc, option, [...before, ...parts], token),
      `${name} is known to clients and servers, but this version does not act on it`,
      "do not rely on it yet.",
    );
  const { wire, transport } = rules;
  if (wire?.maxMessageBytes !== undefined)
    say(["wire", "maxMessageBytes"], "wire.max_message_bytes", "max_message_bytes");
  if (wire?.windowMessages !== undefined) say(["wire", "windowMessages"], "wire.window_messages", "window_messages");
  if (wire?.windowBytes !== undefined) say(["wire", "windowBytes"], "wire.window_bytes", "window_bytes");
  for (const list of ["allow", "prefer", "deny"] as const) {
    if (transport !== undefined && transport[list].length > 0) say(["transport", list], `transport.${list}`, list);
  }
  if (!("kind" in rules)) return;
  const { kind } = rules;
  if (kind.case === "topic" && kind.value.conflation !== undefined)
    say(["topic", "conflation"], "topic.conflation", "conflation");
  if (kind.case === "signal" && kind.value.conflation?.interval !== undefined) {
    say(["signal", "conflation", "interval"], "conflation.interval", "interval");
  }
}
