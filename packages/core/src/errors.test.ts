// The catalogue of errors: reasons, codes, values, and their way over the wire.
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { catalogue } from "./errors-server.ts";
import { ERROR_DOMAIN, type Reason, errorInfo, fail, reasonOf, retryAfterMs } from "./errors.ts";

const reasons = Object.keys(catalogue) as Reason[];
/** The error as the other side of the wire sees it. */
const received = (error: ConnectError): ConnectError => {
  const copy = new ConnectError(error.rawMessage, error.code);
  copy.details.push(...error.details);
  return copy;
};

describe("the catalogue", () => {
  it.each(reasons)("%s has a code, and a message that says what happened and what to do", (reason) => {
    const { code, message } = catalogue[reason] as {
      readonly code: Code;
      readonly message: (values: object) => string;
    };
    expect(reason).toMatch(/^[a-z]+(_[a-z]+)*$/);
    expect(Code[code]).toBeDefined();
    const text = message(new Proxy({}, { get: (_, name) => `<${String(name)}>` }));
    expect(text).toMatch(/^[A-Z<].*\.$/);
    expect(text).not.toMatch(/undefined|object Object/);
  });
});

describe("an error", () => {
  it("has code, text, reason and values, and keeps them across the wire", () => {
    const error = fail("batch_too_large", { bytes: 1_310_720, limit: 1_048_576 });
    expect(error).toBeInstanceOf(ConnectError);
    expect(error.code).toBe(Code.ResourceExhausted);
    expect(error.rawMessage).toMatchInlineSnapshot(
      `"Batch of 1310720 bytes exceeds maxBatchBytes 1048576. Send smaller messages, or raise limits.batchBytes on both ends."`,
    );
    for (const side of [error, received(error)]) {
      expect(reasonOf(side)).toBe("batch_too_large");
      expect(errorInfo(side)).toMatchObject({
        reason: "batch_too_large",
        domain: ERROR_DOMAIN,
        metadata: { bytes: "1310720", limit: "1048576" },
      });
      expect(retryAfterMs(side)).toBeUndefined();
    }
  });

  it("says when to try again, to the nanosecond that protobuf has", () => {
    for (const ms of [0, 1, 999, 1_000, 1_500, 86_400_123]) {
      expect(retryAfterMs(received(fail("draining", { retryAfterMs: ms })))).toBe(ms);
    }
    expect(retryAfterMs(fail("draining", {}))).toBeUndefined();
  });

  it("keeps values in any script, and names of JavaScript's own", () => {
    const info = errorInfo(fail("transport_failed", { transport: "größe 茶 🚀", detail: "__proto__" }));
    expect(info?.metadata["transport"]).toBe("größe 茶 🚀");
    expect(Object.getPrototypeOf(info?.metadata)).toBeNull();
  });
});

describe("reading details", () => {
  const detail = (type: string, value: Uint8Array): ConnectError => {
    const error = new ConnectError("x", Code.Unknown);
    error.details.push({ type, value });
    return error;
  };
  const info = (reason: string, domain: string): Uint8Array =>
    new BinaryWriter()
      .tag(1, WireType.LengthDelimited)
      .string(reason)
      .tag(2, WireType.LengthDelimited)
      .string(domain)
      .finish();

  it("takes what others wrote, unknown fields included", () => {
    const bytes = new BinaryWriter()
      .tag(9, WireType.Varint)
      .uint32(1)
      .raw(info("QUOTA", "example.com"))
      .tag(3, WireType.LengthDelimited)
      .fork()
      .tag(1, WireType.LengthDelimited)
      .string("key")
      .tag(7, WireType.Varint)
      .uint32(1)
      .tag(2, WireType.LengthDelimited)
      .string("value")
      .join()
      .finish();
    const error = detail("google.rpc.ErrorInfo", bytes);
    expect(errorInfo(error)).toMatchObject({ reason: "QUOTA", domain: "example.com", metadata: { key: "value" } });
    expect(reasonOf(error)).toBeUndefined(); // not ours
  });

  it("does not take a foreign reason for ours", () => {
    expect(reasonOf(detail("google.rpc.ErrorInfo", info("draining", "example.com")))).toBeUndefined();
    expect(reasonOf(detail("google.rpc.ErrorInfo", info("toString", ERROR_DOMAIN)))).toBeUndefined();
    expect(reasonOf(detail("google.rpc.ErrorInfo", info("draining", ERROR_DOMAIN)))).toBe("draining");
  });

  it.each([
    undefined,
    null,
    "text",
    new Error("x"),
    new ConnectError("x"),
    detail("google.rpc.Help", new Uint8Array(3)),
  ])("finds nothing in %s", (error) => {
    expect(errorInfo(error)).toBeUndefined();
    expect(reasonOf(error)).toBeUndefined();
    expect(retryAfterMs(error)).toBeUndefined();
  });

  it("finds nothing in details that do not parse", () => {
    for (const bytes of [
      [0x0a, 0xff],
      [0x0a],
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      [0x1a, 0x05, 0x0a],
    ]) {
      expect(errorInfo(detail("google.rpc.ErrorInfo", new Uint8Array(bytes)))).toBeUndefined();
    }
    expect(retryAfterMs(detail("google.rpc.RetryInfo", new Uint8Array([0x0a, 0x05, 0x08])))).toBeUndefined();
  });
});
