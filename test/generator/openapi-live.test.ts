// OpenAPI documents held against the servers that they describe: requests made from nothing but the document get answers that are what it says.
import { nodeClock } from "@raceway/core/node";
import { openapi, planGeneration } from "@raceway/generator";
import { cache } from "@raceway/middleware/cache";
import { type Raceway, raceway } from "@raceway/server";
import { grpc } from "@raceway/transport-grpc/server";
import { Ajv2020, type ValidateFunction } from "ajv/dist/2020.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { handlers } from "../app/lab.ts";
import { clubJoinErrors } from "../gen/club/v1/club.contract.ts";
import { type ClubHandlers, clubService } from "../gen/club/v1/club.server.ts";
import { labService } from "../gen/lab/v1/lab.server.ts";
import { names } from "../middleware/stage.ts";

type Ref = { readonly $ref: string };
interface Media {
  readonly content: { readonly "application/json": { readonly schema: Ref } };
}
interface Parameter extends Partial<Media> {
  readonly name: string;
  readonly in: "query" | "header";
  readonly required?: boolean;
  readonly schema?: { readonly const?: string; readonly enum?: readonly string[]; readonly pattern?: string };
}
interface Declared {
  readonly reason: string;
  readonly code: string;
  readonly detail?: Ref;
}
interface Answer extends Partial<Media> {
  readonly headers?: Readonly<Record<string, object>>;
  readonly "x-raceway-errors"?: readonly Declared[];
}
interface Operation {
  readonly parameters: readonly (Ref | Parameter)[];
  readonly requestBody?: Media;
  readonly responses: Readonly<Record<string, Ref | Answer>>;
}
interface Document {
  readonly servers: readonly { readonly url: string }[];
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

/** Of a kind of JSON Schema that documents have. */
interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly items?: Schema;
  readonly additionalProperties?: Schema | boolean;
  readonly anyOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

/** Knows a server by its document alone. */
class Visitor {
  readonly document: Document;
  readonly #ajv = new Ajv2020({ strict: false, validateFormats: false });

  constructor(text: string) {
    this.document = JSON.parse(text) as Document;
    this.#ajv.addSchema(this.document, "document");
  }

  at<T>(value: Ref | T): T {
    if (typeof value !== "object" || value === null || !("$ref" in value)) return value;
    let part: unknown = this.document;
    for (const name of value.$ref.slice(2).split("/")) part = (part as Readonly<Record<string, unknown>>)[name];
    return part as T;
  }

  judge(schema: Ref): ValidateFunction {
    return this.#ajv.getSchema(`document${schema.$ref}`)!;
  }

  /** Some value that the schema describes; texts are `text`. */
  sample(schema: Schema, text: string, depth = 3): unknown {
    if (schema.$ref !== undefined) return this.sample(this.at<Schema>(schema), text, depth);
    const choice = schema.anyOf?.[0] ?? schema.oneOf?.[0];
    if (choice !== undefined) return this.sample(choice, text, depth);
    if (schema.const !== undefined) return schema.const;
    if (schema.enum !== undefined) return schema.enum[0];
    switch (Array.isArray(schema.type) ? schema.type[0] : schema.type) {
      case "object": {
        if (depth === 0) return {};
        const own = Object.entries(schema.properties ?? {});
        const made = own.map(([name, one]) => [name, this.sample(one, text, depth - 1)] as const);
        const more = typeof schema.additionalProperties === "object" ? schema.additionalProperties : undefined;
        return Object.fromEntries([
          ...made,
          ...(more === undefined ? [] : [["1", this.sample(more, text, depth - 1)]]),
        ]);
      }
      case "array":
        return schema.items === undefined ? [] : [this.sample(schema.items, text, depth - 1)];
      case "integer":
      case "number":
        return 1;
      case "boolean":
        return true;
      default:
        return text;
    }
  }

  /** As somebody, since what nobody gets is not kept. Sends it, with all parameters that are required or have one value, and holds the answer to what the document says of its status. */
  async call(
    path: string,
    method: string,
    text: string,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<Heard> {
    const operation = this.document.paths[path]![method]!;
    const url = new URL(path, this.document.servers[0]!.url);
    const sent = new Headers({ authorization: "Bearer ann", ...headers });
    for (const each of operation.parameters) {
      const parameter = this.at<Parameter>(each);
      const schema = parameter.content?.["application/json"].schema;
      const { const: only, enum: several = [] } = parameter.schema ?? {};
      const value = schema === undefined ? (only ?? several[0]) : JSON.stringify(this.#request(schema, text));
      if (value === undefined || (parameter.required !== true && (only === undefined || parameter.name === "base64")))
        continue;
      if (parameter.in === "query") url.searchParams.set(parameter.name, value);
      else sent.set(parameter.name, value);
    }
    const body = operation.requestBody?.content["application/json"].schema;
    if (body !== undefined) sent.set("content-type", "application/json");
    const response = await fetch(url, {
      method: method.toUpperCase(),
      headers: sent,
      ...(body !== undefined && { body: JSON.stringify(this.#request(body, text)) }),
    });
    const said = operation.responses[response.status] ?? operation.responses["default"]!;
    const answer = this.at<Answer>(said);
    const got = await response.text();
    expect(got === "", `${path} ${response.status}: a body where the document has one`).toBe(
      answer.content === undefined,
    );
    const value: unknown = got === "" ? undefined : JSON.parse(got);
    if (answer.content !== undefined) {
      expect(response.headers.get("content-type")).toBe("application/json");
      const judge = this.judge(answer.content["application/json"].schema);
      expect(judge(value), `${path} ${response.status} ${got}: ${this.#ajv.errorsText(judge.errors)}`).toBe(true);
    }
    for (const name of Object.keys(answer.headers ?? {})) expect(response.headers.get(name), name).not.toBeNull();
    return { status: response.status, value, headers: response.headers, declared: answer["x-raceway-errors"] ?? [] };
  }

  #request(schema: Ref, text: string): unknown {
    const value = this.sample(schema, text);
    const judge = this.judge(schema);
    expect(judge(value), `${JSON.stringify(value)}: ${this.#ajv.errorsText(judge.errors)}`).toBe(true);
    return value;
  }
}

interface Heard {
  readonly status: number;
  readonly value: unknown;
  readonly headers: Headers;
  readonly declared: readonly Declared[];
}

const everybody: Pick<ClubHandlers, "join" | "joinOnce" | "leave"> = {
  join({ name }, { fail }) {
    if (name === "late") throw fail.clubFull({ capacity: 2, members: ["ada"] });
    if (name === "rude") throw fail.banned({ by: "the owner" });
    if (name === "monday") throw fail.closedToday();
    if (name === "bug") throw new TypeError("a secret of the handler");
    return { name };
  },
  joinOnce: ({ name }) => ({ name }),
  leave: ({ name }) => ({ name }),
};
const nobody: Omit<ClubHandlers, keyof typeof everybody> = {
  async *watch() {},
  joinAll: () => ({}),
  async *talk() {},
  knock: () => undefined,
};

let app: Raceway;
let club: Visitor;
let lab: Visitor;
beforeAll(async () => {
  app = raceway({ transports: [grpc()], use: [names, cache()] });
  app.serve(clubService, { ...everybody, ...nobody });
  app.serve(labService, handlers([], nodeClock()));
  const { url } = await app.listen({ port: 0, host: "127.0.0.1" });
  const schemas = new URL("../schemas", import.meta.url).pathname;
  const { plan, diagnostics } = await planGeneration({
    inputs: ["club", "lab"],
    protoPath: ["."],
    out: "nowhere",
    cwd: schemas,
    targets: [openapi({ server: url })],
  });
  expect(diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
  const visitor = (path: string): Visitor => new Visitor(plan!.changes.find((file) => file.path === path)!.after);
  [club, lab] = [visitor("club/v1/club.openapi.json"), visitor("lab/v1/lab.openapi.json")];
}, 60_000);
afterAll(() => app.close(0));

test("every call that a document has is answered as it says", async () => {
  const called: string[] = [];
  for (const visitor of [club, lab]) {
    for (const [path, item] of Object.entries(visitor.document.paths)) {
      for (const method of Object.keys(item)) {
        const { status } = await visitor.call(path, method, "YQ==");
        expect(status, path).toBe(200);
        called.push(`${method} ${path.slice(1)}`);
      }
    }
  }
  expect(called).toEqual([
    "post club.v1.ClubService/Join",
    "post club.v1.ClubService/JoinOnce",
    "post club.v1.ClubService/Leave",
    "post lab.v1.LabService/Echo",
    "post lab.v1.LabService/Add",
    "get lab.v1.LabService/Peek",
    "post lab.v1.LabService/Peek",
  ]);
});

test("an error that is declared comes with the status, the code and the detail that the document has for its reason", async () => {
  for (const [name, { reason }] of [
    ["late", clubJoinErrors.clubFull],
    ["rude", clubJoinErrors.banned],
    ["monday", clubJoinErrors.closedToday],
  ] as const) {
    const { value, declared } = await club.call("/club.v1.ClubService/Join", "post", name);
    const error = value as { code: string; details: { type: string; value: string; debug?: unknown }[] };
    const said = declared.find((one) => one.reason === reason)!;
    expect(error.code).toBe(said.code);
    const info = error.details.find(({ type }) => type === "google.rpc.ErrorInfo")!;
    expect(Buffer.from(info.value, "base64").toString("latin1")).toContain(reason);
    const detail = error.details.find(({ type }) => type.startsWith("club.v1."));
    expect(detail?.type).toBe(said.detail?.$ref.split("/").at(-1));
    if (detail?.debug !== undefined) expect(club.judge(said.detail!)(detail.debug)).toBe(true);
  }
});

test("an error that is not declared is one that the document has for the rest", async () => {
  const { status, value } = await club.call("/club.v1.ClubService/Join", "post", "bug");
  expect([status, (value as { code: string }).code]).toEqual([500, "internal"]);
  expect(JSON.stringify(value)).not.toContain("secret of the handler");
});

test("a reply that may be kept has the headers that the document promises, and 304 stands for it", async () => {
  const { headers } = await lab.call("/lab.v1.LabService/Peek", "get", "YQ==");
  const again = await lab.call("/lab.v1.LabService/Peek", "get", "YQ==", { "If-None-Match": headers.get("etag")! });
  expect([again.status, again.value]).toEqual([304, undefined]);
});
