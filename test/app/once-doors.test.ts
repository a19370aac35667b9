// Exactly once by every way in: the reply that one door gave is good at all others, with the handler's headers and no other's.
import { expect, it } from "vitest";
import { stage, wayNames } from "../middleware/stage.ts";

it.each(wayNames)("what ran first by %s is answered by all ways, and not run again", async (way) => {
  let runs = 0;
  await using it = await stage({
    use: [],
    handlers: {
      add({ a, b }, context) {
        context.responseHeader.append("x-own", "head");
        context.responseTrailer.append("x-own-trailer", "tail");
        runs++;
        return { sum: a + b };
      },
    },
  });
  for (const each of [way, way, ...wayNames]) {
    const own: (string | null)[] = [];
    const reply = await it.client(each).add(
      { a: 1, b: 2 },
      {
        headers: { "idempotency-key": "order-7" },
        onHeader: (header) => own.push(header.get("x-own")),
        onTrailer: (trailer) => own.push(trailer.get("x-own-trailer")),
      },
    );
    expect(reply.sum, each).toBe(3);
    expect(own, each).toEqual(["head", "tail"]);
  }
  expect(runs).toBe(1);
});
