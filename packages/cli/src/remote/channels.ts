// The channels of schemas, the project's or the server's own, as commands name them: descriptors and contracts, without generated code.
import {
  createFileRegistry,
  type DescMessage,
  type DescMethodBiDiStreaming,
  type DescMethodClientStreaming,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  type FileRegistry,
} from "@bufbuild/protobuf";
import type { ChannelContract } from "@raceway/core";
import { Admin, file_raceway_v1_admin } from "@raceway/core/admin";
import { compileModel, contractOf, formatDiagnostics } from "@raceway/generator";
import { registryAsGenerated } from "../compiled-schemas.ts";
import { type GenerateJob, readConfig } from "../config.ts";
import { type CommandContext, UsageError } from "../context.ts";
import { refusedAsUsage } from "../refused.ts";
import { reflect } from "./reflection.ts";
import type { SchemaArguments } from "./remote-arguments.ts";
import { strangerText } from "./stranger-text.ts";

export interface RemoteChannel {
  /** "chat.v1.RoomService/Say". */
  readonly name: string;
  readonly method: RemoteMethod;
  readonly contract: ChannelContract;
  /** For messages within `google.protobuf.Any`. */
  readonly registry: FileRegistry;
}

export type RemoteMethod =
  | DescMethodUnary<DescMessage, DescMessage>
  | DescMethodServerStreaming<DescMessage, DescMessage>
  | DescMethodClientStreaming<DescMessage, DescMessage>
  | DescMethodBiDiStreaming<DescMessage, DescMessage>;

/**
 * Of the schemas that arguments or raceway.config.ts name; else of those that the server gives. Throws a {@link UsageError} if there are none, or they
 * have errors: those go to standard error.
 */
export async function loadChannels(args: SchemaArguments, context: CommandContext): Promise<readonly RemoteChannel[]> {
  if (/^\/?raceway\.v1\.Admin[/.]/.test(args.channel)) return adminChannels();
  const sources = await sourcesOf(args, context.cwd);
  if (sources === undefined) {
    const { services, set } = await reflect(args, context, "name them with --schema");
    return channelsIn(services, createFileRegistry(set));
  }
  const channels: RemoteChannel[] = [];
  for (const source of sources) {
    const progress = (text: string): void => context.progress(text);
    const options = { ...source, cwd: context.cwd, progress, signal: context.stopping() };
    const { input, diagnostics } = await refusedAsUsage(() => compileModel(options));
    if (input === undefined) {
      context.err(formatDiagnostics(diagnostics, args.json ? "json" : "text", { color: context.colors.err }));
      throw new UsageError("The schemas have errors.");
    }
    const registry = registryAsGenerated(input.context.descriptors); // or a bad request would look like one of another version
    for (const service of input.model.files.flatMap((file) => file.services)) {
      const desc = registry.getService(service.typeName)!;
      for (const { name, localName, contract } of service.channels)
        channels.push({
          name: `${service.typeName}/${name}`,
          method: desc.method[localName] as RemoteMethod,
          contract,
          registry,
        });
    }
  }
  context.progress("");
  return channels;
}

/** Known by themselves: whoever runs a server may have none of its schemas at hand. */
function adminChannels(): readonly RemoteChannel[] {
  const { proto, dependencies } = file_raceway_v1_admin;
  const registry = createFileRegistry(proto, (name) => dependencies.find((file) => file.proto.name === name));
  return channelsIn([Admin.typeName], registry);
}

/** Of services as a server gives them: contracts are in the options of their methods. */
export function channelsIn(services: readonly string[], registry: FileRegistry): readonly RemoteChannel[] {
  return services.flatMap((typeName) =>
    (registry.getService(typeName)?.methods ?? []).map((method) => ({
      name: `${typeName}/${method.name}`,
      method,
      contract: contractOf(method),
      registry,
    })),
  );
}

/** Undefined: what the server gives. */
async function sourcesOf(
  args: SchemaArguments,
  cwd: string,
): Promise<readonly Pick<GenerateJob, "inputs" | "protoPath" | "keepOptions">[] | undefined> {
  const protoPath = args["proto-path"];
  if (args.schema !== undefined) return [{ inputs: args.schema, ...(protoPath !== undefined && { protoPath }) }];
  if (args.reflect === true) return undefined;
  const config = await readConfig(cwd);
  if (config === undefined || config.generate.length === 0) {
    if (protoPath !== undefined) throw new UsageError("Name schema files or folders with --schema.");
    return undefined;
  }
  // Several outputs of the same schemas are one source.
  const sources = new Map(
    config.generate.map(({ inputs, protoPath: path, keepOptions }) => [
      JSON.stringify([inputs, path, keepOptions]),
      { inputs, ...(path !== undefined && { protoPath: path }), ...(keepOptions !== undefined && { keepOptions }) },
    ]),
  );
  return [...sources.values()];
}

/** By its whole name, or as much of its end as is clear: "RoomService/Say", "Say". Throws a {@link UsageError} that lists what there is. */
export function channelNamed(channels: readonly RemoteChannel[], wanted: string): RemoteChannel {
  const given = wanted.replace(/^\//, "").replace(/\.(?=\w+$)(?!.*\/)/, "/");
  const ends = (name: string, text: string): boolean =>
    name === text || name.endsWith(`.${text}`) || name.endsWith(`/${text}`);
  const found = channels.filter(({ name }) => ends(name, given) || ends(name, wanted));
  const distinct = [...new Map(found.map((one) => [one.name, one])).values()];
  if (distinct.length === 1) return distinct[0]!;
  if (channels.length === 0) throw new UsageError(`There is no channel ${wanted}: the schemas have none.`);
  const names = [...new Set((distinct.length > 1 ? distinct : channels).map(({ name }) => name))];
  const list = names.slice(0, SHOWN).map((name) => `\n  ${strangerText(name)}`);
  const more = names.length > SHOWN ? `\n  … and ${names.length - SHOWN} more` : "";
  throw new UsageError(
    distinct.length > 1
      ? `${wanted} may be each of:${list.join("")}${more}`
      : `There is no channel ${wanted}. There are:${list.join("")}${more}`,
  );
}

const SHOWN = 20;
