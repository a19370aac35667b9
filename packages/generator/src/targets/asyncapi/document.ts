// An AsyncAPI 3 document of the channels of one schema file, as the server sees them: it sends what clients receive.
import type { ChannelModel, FileModel, Model, ServiceModel } from "@raceway/core/target";
import { detailTypes, errorsPart } from "../json-schema/errors.ts";
import { type Json, jsonObject } from "../json-schema/json.ts";
import { described, schemasOf } from "../json-schema/schemas.ts";

type Part = { readonly [name: string]: Json };

export interface AsyncapiFacts {
  readonly title: string;
  readonly version: string;
}

/** Undefined if the file has no channel. */
export function asyncapiDocument(model: Model, file: FileModel, facts: AsyncapiFacts): Json | undefined {
  const all = file.services.flatMap((service) => service.channels.map((channel) => ({ service, channel })));
  if (all.length === 0) return undefined;
  const types = [...new Set(all.flatMap(({ channel }) => [channel.request.typeName, channel.response.typeName]))];
  const details = detailTypes(all.map(({ channel }) => channel));
  return {
    asyncapi: "3.0.0",
    info: { title: facts.title === "" ? file.package || file.path : facts.title, version: facts.version },
    defaultContentType: "application/json",
    channels: jsonObject(all.map(({ service, channel }) => [idOf(service, channel), channelPart(channel)] as const)),
    operations: jsonObject(all.map(({ service, channel }) => [idOf(service, channel), operation(service, channel)])),
    components: {
      messages: jsonObject(
        types
          .toSorted()
          .map((typeName) => [
            typeName,
            { name: typeName, title: typeName.split(".").at(-1)!, payload: { $ref: schemaRef(typeName) } },
          ]),
      ),
      schemas: jsonObject(
        Object.entries(schemasOf(model, [...types, ...details], { closed: false, ref: schemaRef })).map(
          ([typeName, schema]) => [typeName, schema],
        ),
      ),
    },
  };
}

function channelPart(channel: ChannelModel): Part {
  const published = isPublished(channel);
  const { address, kind } = channel.contract;
  const messages = published ? [channel.response] : [channel.request, channel.response];
  return {
    // What has no address of its own is reached by its path.
    address: published ? (address ?? channel.path) : channel.path,
    ...(published &&
      channel.key.length > 0 && {
        parameters: jsonObject(
          namesIn(address!).map((name) => [name, { description: `Field ${name} of the request.` }]),
        ),
      }),
    messages: jsonObject(messages.map(({ typeName }) => [typeName, { $ref: `#/components/messages/${typeName}` }])),
    "x-raceway-kind": kind,
    ...errorsPart(channel, schemaRef),
    "x-raceway-contract": channel.contract as unknown as Json, // plain data, but an interface without an index signature
  };
}

function operation(service: ServiceModel, channel: ChannelModel): Part {
  const id = idOf(service, channel);
  const there = { $ref: `#/channels/${id}` };
  const message = ({ typeName }: { readonly typeName: string }): readonly Json[] => [
    { $ref: `#/channels/${id}/messages/${typeName}` },
  ];
  const said = {
    title: `${service.name}.${channel.name}`,
    ...(channel.comment.length > 0 && { description: described(channel)["description"]! }),
    channel: there,
  };
  if (isPublished(channel)) return { action: "send", ...said, messages: message(channel.response) };
  return {
    action: "receive",
    ...said,
    messages: message(channel.request),
    ...(channel.contract.kind !== "signal" && { reply: { channel: there, messages: message(channel.response) } }),
  };
}

/** Everybody who subscribes gets the same. */
function isPublished({ contract }: ChannelModel): boolean {
  return contract.kind === "topic" || contract.kind === "state";
}

function namesIn(address: string): readonly string[] {
  return [...address.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!);
}

function idOf(service: ServiceModel, channel: ChannelModel): string {
  return `${service.typeName}.${channel.name}`;
}

function schemaRef(typeName: string): string {
  return `#/components/schemas/${typeName}`;
}
