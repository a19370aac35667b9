// Comments that would tell compilers and bundlers to do something.
import { expect, test } from "vitest";
import { plainComment } from "./plain-comment.ts";

test("directives are broken up, and all other text is as it was", () => {
  expect(plainComment(" @ts-nocheck @ts-ignore: x, @ts-expect-error")).toBe(
    " ts-nocheck ts-ignore: x, ts-expect-error",
  );
  expect(plainComment("#__NO_SIDE_EFFECTS__ @__PURE__ #__KEY__")).toBe("__NO_SIDE_EFFECTS__ __PURE__ __KEY__");
  expect(plainComment("//# sourceMappingURL=/etc/passwd //@ sourceURL = x")).toBe(
    "//# sourceMapping URL=/etc/passwd //@ source URL = x",
  );
  const text = "See @deprecated, #1, __init__, @ts-foo, the sourceURL of it.\n # __x";
  expect(plainComment(text)).toBe(text);
});
