// An OpenAPI 3.1 document of the calls of one schema file, as the Connect protocol has them over HTTP
// (https://connectrpc.com/docs/protocol): POST, and GET for calls without side effects.
import type { CacheContract } from "@raceway/core";
import type { ChannelModel, FileModel, Model, ServiceModel } from "@raceway/core/target";
import { detailTypes, errorsPart } from "../json-schema/errors.ts";
import { type Json, jsonObject } from "../json-schema/json.ts";
import { described, schemasOf } from "../json-schema/schemas.ts";

type Part = { readonly [name: string]: Json };

export interface OpenapiFacts {
  readonly title: string;
  readonly version: string;
  /** URL that the paths are below; "" for none. */
  readonly server: string;
}

/** Undefined if the file has no call with one request: OpenAPI has no words for streams. */
export function openapiDocument(model: Model, file: FileModel, facts: OpenapiFacts): Json | undefined {
  const services = file.services
    .map((service) => ({ service, calls: service.channels.filter(isUnary) }))
    .filter(({ calls }) => calls.length > 0);
  if (services.length === 0) return undefined;
  const calls = services.flatMap((one) => one.calls);
  const types = [
    ...calls.flatMap(({ request, response }) => [request.typeName, response.typeName]),
    ...detailTypes(calls),
  ];
  return {
    openapi: "3.1.0",
    info: { title: facts.title === "" ? file.package || file.path : facts.title, version: facts.version },
    ...(facts.server !== "" && { servers: [{ url: facts.server }] }),
    tags: services.map(({ service }) => ({ name: service.typeName, ...described({ ...service, deprecated: false }) })),
    paths: jsonObject(
      services.flatMap(({ service, calls: own }) => own.map((call) => [call.path, pathItem(service, call)] as const)),
    ),
    components: {
      schemas: jsonObject([
        ...Object.entries(schemasOf(model, types, { closed: false, ref: schemaRef })),
        // A dash is in no name of protobuf, so none of these can meet a type of the schema.
        ["connect-error", errorSchema] as const,
      ]),
      responses: {
        error: {
          description: "The call failed; the HTTP status follows from the code.",
          content: json("#/components/schemas/connect-error"),
        },
      },
      parameters,
    },
  };
}

function isUnary({ shape, contract }: ChannelModel): boolean {
  return shape === "unary" && contract.kind === "call";
}

function pathItem(service: ServiceModel, call: ChannelModel): Part {
  const operation = (parameterNames: readonly string[], more: Part, suffix: string, kept?: CacheContract): Part => ({
    tags: [service.typeName],
    operationId: `${service.typeName}.${call.name}${suffix}`,
    ...described({ comment: call.comment, deprecated: call.deprecated || service.deprecated }),
    parameters: parameterNames.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ...more,
    responses: {
      "200": {
        description: "The reply.",
        ...(kept !== undefined && { headers: keptHeaders(kept) }),
        content: json(schemaRef(call.response.typeName)),
      },
      ...(kept !== undefined && {
        "304": { description: "The reply is what If-None-Match named.", headers: keptHeaders(kept) },
      }),
      ...declaredResponses(call),
      default: { $ref: "#/components/responses/error" },
    },
  });
  const post = operation(
    ["version", "timeout"],
    { requestBody: { required: true, content: json(schemaRef(call.request.typeName)) } },
    "",
  );
  if (call.contract.idempotency !== "no-side-effects") return { post };
  const { cache } = call.contract;
  const names = ["connect", "encoding", "base64", "compression", "timeout", ...(cache === undefined ? [] : ["known"])];
  const get = operation(names, {}, ".get", cache);
  const message = { name: "message", in: "query", required: true, content: json(schemaRef(call.request.typeName)) };
  return { get: { ...get, parameters: [message, ...(get["parameters"] as readonly Json[])] }, post };
}

/** Of a reply that may be kept, from a server with the plugin `cache`. */
function keptHeaders({ maxAgeMs, scope }: CacheContract): Part {
  const whose =
    scope === "public" ? "public where the request says nothing of who asks, else private" : "private, or no-store";
  return {
    "Cache-Control": {
      description: `For how long the reply may be given again, in seconds: max-age of at most ${Math.floor(maxAgeMs / 1000)}; ${whose}.`,
      schema: { type: "string" },
    },
    ETag: { description: "Names the reply, for If-None-Match.", schema: { type: "string" } },
  };
}

/** By HTTP status: several errors may have the same. */
function declaredResponses({ errors }: ChannelModel): Part {
  const byStatus = Map.groupBy(errors, ({ code }) => codes.get(code)!);
  return jsonObject(
    [...byStatus].map(([status, same]) => [
      String(status),
      {
        description: same.map(({ reason, message }) => `${reason}: ${message}`).join("\n"),
        content: json("#/components/schemas/connect-error"),
        ...errorsPart({ errors: same }, schemaRef),
      },
    ]),
  );
}

function json(ref: string): Part {
  return { "application/json": { schema: { $ref: ref } } };
}

function schemaRef(typeName: string): string {
  return `#/components/schemas/${typeName}`;
}

const parameters: Part = {
  version: {
    name: "Connect-Protocol-Version",
    in: "header",
    description: "Version of the protocol.",
    schema: { const: "1" },
  },
  timeout: {
    name: "Connect-Timeout-Ms",
    in: "header",
    description: "The call ends with deadline_exceeded after so many milliseconds.",
    schema: { type: "string", pattern: "^[0-9]{1,10}$" },
  },
  known: {
    name: "If-None-Match",
    in: "header",
    description: "ETag of a reply that is known already; if it is still the same, the answer is 304.",
    schema: { type: "string" },
  },
  connect: { name: "connect", in: "query", description: "Version of the protocol.", schema: { const: "v1" } },
  encoding: {
    name: "encoding",
    in: "query",
    required: true,
    description: "What the message is written in.",
    schema: { type: "string", enum: ["json", "proto"] },
  },
  base64: {
    name: "base64",
    in: "query",
    description: "The message is in base64, in its form for URLs.",
    schema: { const: "1" },
  },
  compression: {
    name: "compression",
    in: "query",
    description: "What the message is compressed by.",
    schema: { type: "string" },
  },
};

/** Codes, and the HTTP status of each: https://connectrpc.com/docs/protocol#error-codes */
const codes: ReadonlyMap<string, number> = new Map([
  ["canceled", 499],
  ["unknown", 500],
  ["invalid_argument", 400],
  ["deadline_exceeded", 504],
  ["not_found", 404],
  ["already_exists", 409],
  ["permission_denied", 403],
  ["resource_exhausted", 429],
  ["failed_precondition", 400],
  ["aborted", 409],
  ["out_of_range", 400],
  ["unimplemented", 501],
  ["internal", 500],
  ["unavailable", 503],
  ["data_loss", 500],
  ["unauthenticated", 401],
]);

const errorSchema: Part = {
  type: "object",
  title: "Error",
  description: "An error of the Connect protocol. Details of type google.rpc.ErrorInfo have a stable reason.",
  required: ["code"],
  properties: {
    code: { type: "string", enum: [...codes.keys()] },
    message: { type: "string" },
    details: {
      type: "array",
      items: {
        type: "object",
        required: ["type", "value"],
        properties: {
          type: { type: "string", description: "Full name of the detail's message." },
          value: { type: "string", description: "The message, encoded, in base64 without padding." },
          debug: { description: "The message as JSON, for people." },
        },
      },
    },
  },
};
