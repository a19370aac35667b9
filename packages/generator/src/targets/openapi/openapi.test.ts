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
  rpc Buy(ListRequest) returns (google.protobuf.Empty) { option deprecated = true; }
  rpc Watch(ListRequest) returns (stream ListResponse);
}
service Streams { rpc Watch(ListRequest) returns (stream ListResponse); }
message ListRequest { string kind = 1; map<int32, Item> items = 2; oneof a { string b = 3; string c = 4; } }
message ListResponse { repeated Item items = 1; bytes next = 2; }
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

test("a schema without such calls gives no document, and wrong options fail where they are given", async () => {
  using schema = new SchemaFolder({
    "proto/a.proto": 'syntax = "proto3"; service A { rpc X(M) returns (stream M); } message M {}',
  });
  expect((await schema.generate({ targets: ["openapi"] })).changes).toEqual([]);
  expect(() => openapi({ titel: "x" } as object)).toThrow("openapi: there is no option titel");
  expect(() => openapi({ title: 1 as unknown as string })).toThrow("title");
});
