// `raceway inspect <url>`: which channels a running server serves, and what it promises of each.
import { createFileRegistry, type DescMethod } from "@bufbuild/protobuf";
import { codeOf, errorsOf, policyOf, showsPolicies } from "@raceway/generator";
import { type CommandContext, Exit } from "../context.ts";
import { channelsIn, type RemoteChannel } from "../remote/channels.ts";
import { urlOf } from "../remote/dial.ts";
import { reflect } from "../remote/reflection.ts";
import type { InspectArguments } from "./inspect.ts";

/** One channel, for programs. */
interface ServedChannel {
  readonly name: string;
  readonly takes: string;
  readonly gives: string;
  readonly contract: RemoteChannel["contract"];
  readonly errors: readonly { readonly reason: string; readonly code: string; readonly detail?: string }[];
  /** Only if the server shows them. */
  readonly policy?: NonNullable<ReturnType<typeof policyOf>>;
}

export async function inspectServer(args: InspectArguments, context: CommandContext): Promise<number> {
  const url = urlOf(args.module);
  const { services, set } = await reflect({ ...args, url }, context, "inspect the module that makes it");
  const policies = showsPolicies({ name: url, services, set });
  const channels = channelsIn(services, createFileRegistry(set)).map((one) => servedChannel(one, policies));
  context.out(args.json ? `${JSON.stringify({ server: url, policies, channels })}\n` : textOf(url, channels, policies));
  return Exit.fine;
}

function servedChannel({ name, method, contract }: RemoteChannel, policies: boolean): ServedChannel {
  const streams = method.methodKind;
  const [takes, gives] = [
    ["client_streaming", "bidi_streaming"].includes(streams) ? "stream " : "",
    ["server_streaming", "bidi_streaming"].includes(streams) ? "stream " : "",
  ] as const;
  return {
    name,
    takes: takes + method.input.typeName,
    gives: gives + method.output.typeName,
    contract,
    errors: errorsIn(method),
    ...(policies && { policy: policyOf(method) ?? {} }),
  };
}

function errorsIn(method: DescMethod): ServedChannel["errors"] {
  return errorsOf(method).map(({ rule: { reason, code }, detail }) => ({
    reason,
    code: codeOf(code),
    ...(detail !== undefined && { detail: detail.typeName }),
  }));
}

function textOf(url: string, channels: readonly ServedChannel[], policies: boolean): string {
  const lines = [`${url}, ${channels.length} channels${policies ? "" : "; its policies it keeps to itself"}`];
  for (const { name, takes, gives, contract, errors, policy } of channels) {
    const { kind, addressFields: _, ...settings } = contract;
    lines.push(`  ${name} (${kind})`, `    ${takes} → ${gives}`);
    for (const [setting, value] of Object.entries(settings)) lines.push(`    ${setting}: ${valueText(value)}`);
    if (errors.length > 0)
      lines.push(`    errors: ${errors.map(({ reason, code }) => `${reason} (${code})`).join(", ")}`);
    for (const [rule, value] of Object.entries(policy ?? {})) lines.push(`    policy ${rule}: ${valueText(value)}`);
  }
  // A stranger's text cannot move the cursor or colour the terminal.
  return `${lines.map((line) => line.replaceAll(/[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, "\ufffd")).join("\n")}\n`;
}

function valueText(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
