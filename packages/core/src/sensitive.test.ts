// What must not get into logs: marked fields at any depth, credentials in headers, and text that forges lines.
import { create } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema, FieldDescriptorProtoSchema, AnySchema } from "@bufbuild/protobuf/wkt";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EchoRequestSchema } from "../../../test/gen/lab/v1/lab_pb.ts";
import { REDACTED, isSecretHeader, isSensitive, printable, redactMessage } from "./sensitive.ts";

describe("a message for people to read", () => {
  it("shows nothing of what is marked, not even how long it is", () => {
    const message = create(EchoRequestSchema, { text: "tea", secret: "hunter2", data: new Uint8Array(7), delayMs: 3 });
    expect(redactMessage(EchoRequestSchema, message)).toEqual({
      text: "tea",
      data: "7 bytes",
      delayMs: 3,
      secret: REDACTED,
    });
    expect(EchoRequestSchema.fields.filter(isSensitive).map(({ name }) => name)).toEqual(["secret", "tags"]);
  });

  it("has messages in messages, lists and maps, cut where they get long or deep", () => {
    const field = create(FieldDescriptorProtoSchema, { name: "x".repeat(300) });
    const nested = {
      name: "m1",
      nestedType: [
        {
          name: "m2",
          nestedType: [
            { name: "m3", nestedType: [{ name: "m4", nestedType: [{ name: "m5", nestedType: [{ name: "m6" }] }] }] },
          ],
        },
      ],
    };
    const message = create(FileDescriptorProtoSchema, {
      dependency: Array.from({ length: 30 }, (_, at) => `f${at}`),
      extension: [field],
      messageType: [nested],
    });
    const shown = redactMessage(FileDescriptorProtoSchema, message) as never as {
      dependency: string[];
      extension: { name: string }[];
    };
    expect(shown.dependency).toHaveLength(21);
    expect(shown.dependency.at(-1)).toBe("… 10 more");
    expect(shown.extension[0]!.name).toBe(`${"x".repeat(256)}…`);
    expect(JSON.stringify(shown)).toContain('"m5"');
    expect(JSON.stringify(shown)).not.toContain('"m6"');
  });

  it("does not open what it does not know", () => {
    const any = create(AnySchema, { typeUrl: "type.googleapis.com/secret.v1.Card", value: new Uint8Array([1, 2]) });
    expect(redactMessage(AnySchema, any)).toEqual({ "@type": REDACTED });
  });
});

describe("text of a stranger", () => {
  it("is on one line, with nothing in it but what can be seen, and keeps all else", () => {
    expect(printable("größe 茶 🚀")).toBe("größe 茶 🚀");
    expect(printable("a\r\nINFO forged\u001b[2J\u2028x\u202e\u0000\u0085\ufeff")).toBe(
      "a\\u000d\\u000aINFO forged\\u001b[2J\\u2028x\\u202e\\u0000\\u0085\\ufeff",
    );
    expect(printable("\ud800 half \udc00")).toBe("\\ud800 half \\udc00");
    expect(printable("x".repeat(10), 4)).toBe("xxxx…");
  });

  it("for any text", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 200 }), fc.nat(200), (text, most) => {
        const shown = printable(text, most);
        expect(shown).not.toMatch(/\p{Cc}|[\u2028\u2029\u202a-\u202e\u2066-\u2069]/u);
        expect(shown.isWellFormed()).toBe(true);
        expect(shown.length).toBeLessThanOrEqual(most * 6 + 6);
      }),
    );
  });
});

it("headers that carry credentials are known by their names, in any case", () => {
  for (const name of [
    "authorization",
    "Cookie",
    "SET-COOKIE",
    "proxy-authorization",
    "x-api-key",
    "X-Auth-Token",
    "x-csrf-token",
    "my-session-id",
    "client-secret",
  ])
    expect(isSecretHeader(name), name).toBe(true);
  for (const name of ["content-type", "traceparent", "user-agent", "x-request-id"])
    expect(isSecretHeader(name), name).toBe(false);
});
