// OpenAPI documents: valid by the official schema of OpenAPI 3.1, and true of the calls that they describe.
import { Validator } from "@seriousme/openapi-schema-validator";
import { expect, test } from "vitest";
import { SchemaFolder, demo } from "../../../test-kit/schema-folder.ts";
import { openapi } from "./target.ts";

const shop = demo(`
// Sells things.
service ShopService {
  option (raceway.v1.service_policy) = { auth: { require: { scopes: ["secret-scope"] } } };
  // What there is.
  rpc List(ListRequest) returns (ListResponse) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (raceway.v1.channel).call.cache = { max_age: { seconds: 90 } scope: SCOPE_PUBLIC };
  }
  rpc Look(ListRequest) returns (ListResponse) { option idempotency_level = NO_SIDE_EFFECTS; }
  // Buys.
  rpc Buy(ListRequest) returns (google.protobuf.Empty) {
    option deprecated = true;
    option (raceway.v1.channel) = {
      errors: { reason: "SOLD_OUT" code: FAILED_PRECONDITION detail: "SoldOut" message: "All of them are sold." }
      errors: { reason: "NO_MONEY" code: FAILED_PRECONDITION }
      errors: { reason: "CLOSED" code: UNAVAILABLE }
    };
  }
  rpc Watch(ListRequest) returns (stream ListResponse);
}
service Streams { rpc Watch(ListRequest) returns (stream ListResponse); }
message ListRequest { string kind = 1; map<int32, Item> items = 2; oneof a { string b = 3; string c = 4; } }
message ListResponse { repeated Item items = 1; bytes next = 2; }
message SoldOut { Item item = 1; }
message Item { string name = 1; Item part = 2; enum Kind { KIND_UNSPECIFIED = 0; } Kind kind = 3; }
`);

test("is valid OpenAPI 3.1", async () => {
  using schema = new SchemaFolder(shop);
  await schema.generate({ targets: [openapi({ title: "Shop", version: "2.0", server: "https://shop.example" })] });
  const text = schema.read("gen/demo/v1/demo.openapi.json");
  const validator = new Validator();
  expect(await validator.validate(text)).toEqual({ valid: true });
  expect(validator.version).toBe("3.1");
  expect(JSON.parse(text)).toMatchObject({
    info: { title: "Shop", version: "2.0" },
    servers: [{ url: "https://shop.example" }],
    tags: [{ name: "demo.v1.ShopService", description: "Sells things." }],
  });
});

test("has each call with one request, by POST, and by GET if it has no side effects; no policy; every reference leads somewhere", async () => {
  using schema = new SchemaFolder(shop);
  await schema.generate({ targets: [openapi()] });
  const text = schema.read("gen/demo/v1/demo.openapi.json");
  const document = JSON.parse(text) as { readonly paths: Readonly<Record<string, object>> };
  expect(Object.entries(document.paths).map(([path, item]) => [path, Object.keys(item)])).toEqual([
    ["/demo.v1.ShopService/List", ["get", "post"]],
    ["/demo.v1.ShopService/Look", ["get", "post"]],
    ["/demo.v1.ShopService/Buy", ["post"]],
  ]);
  expect(document.paths["/demo.v1.ShopService/Buy"]).toMatchObject({
    post: { operationId: "demo.v1.ShopService.Buy", description: "Buys.", deprecated: true },
  });
  expect(text).not.toContain("secret-scope");
  const refs = [...text.matchAll(/"\$ref": "#([^"]+)"/g)].map(([, ref]) => ref!);
  expect(refs.length).toBeGreaterThan(10);
  for (const ref of refs) {
    let at: unknown = document;
    for (const part of ref.slice(1).split("/")) at = (at as Readonly<Record<string, unknown>>)[part];
    expect(at, ref).toBeTypeOf("object");
  }
});

test("a reply that may be kept says so by GET: for how long, under which name, and that 304 stands for it", async () => {
  using schema = new SchemaFolder(shop);
  await schema.generate({ targets: [openapi()] });
  interface Operation {
    readonly parameters: readonly { readonly $ref?: string }[];
    readonly responses: Readonly<Record<string, { readonly headers?: Readonly<Record<string, object>> }>>;
  }
  const document = JSON.parse(schema.read("gen/demo/v1/demo.openapi.json")) as {
    readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  };
  const seen = (name: string, method: string): unknown => {
    const { parameters, responses } = document.paths[`/demo.v1.ShopService/${name}`]![method]!;
    return {
      known: parameters.some(({ $ref }) => $ref === "#/components/parameters/known"),
      responses: Object.fromEntries(
        Object.entries(responses).map(([status, { headers = {} }]) => [status, Object.keys(headers)]),
      ),
    };
  };
  const headers = ["Cache-Control", "ETag"];
  expect(seen("List", "get")).toEqual({ known: true, responses: { "200": headers, "304": headers, default: [] } });
  const none = { known: false, responses: { "200": [], default: [] } };
  expect([seen("List", "post"), seen("Look", "get")]).toEqual([none, none]);
  const cacheControl = document.paths["/demo.v1.ShopService/List"]!["get"]!.responses["200"]!.headers!["Cache-Control"];
  expect(cacheControl).toMatchObject({ description: expect.stringMatching(/at most 90; public/) });
});

test("has declared errors by HTTP status, with their reasons and the schemas of their details", async () => {
  using schema = new SchemaFolder(shop);
  await schema.generate({ targets: [openapi()] });
  const { paths, components } = JSON.parse(schema.read("gen/demo/v1/demo.openapi.json")) as {
    readonly paths: Readonly<
      Record<string, { readonly post: { readonly responses: Readonly<Record<string, unknown>> } }>
    >;
    readonly components: { readonly schemas: Readonly<Record<string, unknown>> };
  };
  const domain = "demo.v1.ShopService";
  const content = { "application/json": { schema: { $ref: "#/components/schemas/connect-error" } } };
  const { responses } = paths["/demo.v1.ShopService/Buy"]!.post;
  expect(Object.keys(responses)).toEqual(["200", "400", "503", "default"]);
  expect(responses["400"]).toEqual({
    description: "SOLD_OUT: All of them are sold.\nNO_MONEY: NO_MONEY",
    content,
    "x-raceway-errors": [
      {
        reason: "SOLD_OUT",
        domain,
        code: "failed_precondition",
        message: "All of them are sold.",
        detail: { $ref: "#/components/schemas/demo.v1.SoldOut" },
      },
      { reason: "NO_MONEY", domain, code: "failed_precondition", message: "NO_MONEY" },
    ],
  });
  expect(components.schemas).toHaveProperty(["demo.v1.SoldOut"]);
  expect(Object.keys(paths["/demo.v1.ShopService/List"]!.post.responses)).toEqual(["200", "default"]);
});

test("a schema without such calls gives no document, and wrong options fail where they are given", async () => {
  using schema = new SchemaFolder({
    "proto/a.proto": 'syntax = "proto3"; service A { rpc X(M) returns (stream M); } message M {}',
  });
  expect((await schema.generate({ targets: ["openapi"] })).changes).toEqual([]);
  expect(() => openapi({ titel: "x" } as object)).toThrow("openapi: there is no option titel");
  expect(() => openapi({ title: 1 as unknown as string })).toThrow("title");
});
