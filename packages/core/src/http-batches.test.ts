// Several batches in one HTTP body, there and back.
import fc from "fast-check";
import { expect, test } from "vitest";
import { reasonOf } from "./errors.ts";
import { readBatches, takeBatches, writeBatches } from "./http-batches.ts";

test("bodies are read as they were written, in both forms", () => {
  const batch = fc.uint8Array({ minLength: 1, maxLength: 300 });
  fc.assert(
    fc.property(fc.array(batch), fc.boolean(), (batches, asText) => {
      const body = writeBatches(
        batches.map((each) => ({ parts: [each.subarray(0, 1), each.subarray(1)], bytes: each.byteLength })),
        asText,
      );
      expect(readBatches(body, asText, 300, "test")).toEqual(batches);
      for (const cut of [1, Math.floor(body.byteLength / 2), body.byteLength - 1]) {
        // A prefix is either whole batches or refused; never part of one.
        if (cut <= 0 || cut >= body.byteLength) continue;
        let read: Uint8Array[];
        try {
          read = readBatches(body.subarray(0, cut), asText, 300, "test");
        } catch (error) {
          expect(reasonOf(error)).toBe("request_malformed");
          continue;
        }
        expect(read).toEqual(batches.slice(0, read.length));
      }
    }),
  );
});

test("any bytes at all give batches or a clear error", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 50 }), fc.boolean(), (body, asText) => {
      try {
        const size = readBatches(body, asText, 1_000, "test").reduce((sum, { byteLength }) => sum + byteLength, 0);
        expect(size).toBeLessThanOrEqual(body.byteLength);
      } catch (error) {
        expect(["request_malformed", "batch_too_large"]).toContain(reasonOf(error));
      }
    }),
  );
});

test("what fits is joined, a large batch travels alone", () => {
  const queue = [100_000, 100_000, 100_000, 500_000, 10].map((size) => ({ parts: [], bytes: size }));
  const taken: number[][] = [];
  while (queue.length > 0) taken.push(takeBatches(queue).map(({ bytes: size }) => size));
  expect(taken).toEqual([[100_000, 100_000], [100_000], [500_000], [10]]);
});
