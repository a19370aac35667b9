// Channels that an old schema has, and a new one has not.
import type { DescMethod, DescService } from "@bufbuild/protobuf";
import type { SchemaSources } from "../compile/schema-sources.ts";
import type { Diagnostic } from "../diagnostic.ts";
import { placed } from "../pipeline.ts";
import { nameOf } from "../place.ts";
import type { SchemaSet } from "./baseline.ts";

export function* removedChannels(
  before: SchemaSet,
  after: SchemaSet,
  sources: SchemaSources,
): Generator<Diagnostic, void, undefined> {
  for (const service of servicesOf(before)) {
    const now = after.registry.getService(service.typeName);
    if (now === undefined) {
      yield {
        ...removal(`the service ${service.typeName} is gone, and with it ${channels(service)}`),
        at: service.typeName,
        file: sources.shown(service.file.proto.name),
      };
      continue;
    }
    for (const method of service.methods.filter(({ name }) => methodNamed(now, name) === undefined))
      yield {
        ...placed(
          { ...removal(`the channel ${service.typeName}/${method.name} is gone`), place: nameOf(now) },
          sources,
        ),
        at: `${service.typeName}/${method.name}`,
      };
  }
}

function removal(message: string) {
  const mend =
    "put it back and mark it `deprecated`; it can go once nobody calls it, or with a new version of the package.";
  return { rule: "channel_removed", severity: "error", message, mend } as const;
}

/** Those that count, in the order of the schemas. */
export function servicesOf({ registry, files }: SchemaSet): readonly DescService[] {
  return [...files].flatMap((file) => registry.getFile(file)?.services ?? []);
}

export function methodNamed(service: DescService, name: string): DescMethod | undefined {
  return service.methods.find((method) => method.name === name);
}

function channels({ methods }: DescService): string {
  const names = methods.map(({ name }) => name);
  return names.length === 0
    ? "no channel"
    : `${names.length === 1 ? "the channel" : "the channels"} ${names.join(", ")}`;
}
