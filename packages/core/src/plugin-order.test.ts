// The order of plugins, from what they provide and require.
import { createContextKey } from "@connectrpc/connect";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { reasonOf } from "./errors.ts";
import { orderPlugins } from "./plugin-order.ts";
import { type Plugin, type PluginList, definePlugin } from "./plugin.ts";

const who = createContextKey("", { description: "who" });
const unnamed = createContextKey(0);
const plugin = (name: string, more: Partial<Plugin> = {}): Plugin => definePlugin({ name, start: () => ({}), ...more });
const names = (list: PluginList): string[] => orderPlugins(list).map(({ name }) => name);
const fault = (list: PluginList): { reason: string | undefined; message: string } => {
  try {
    orderPlugins(list);
  } catch (error) {
    return { reason: reasonOf(error), message: (error as Error).message };
  }
  return { reason: undefined, message: "" };
};

describe("the order of plugins", () => {
  it("is that of the list, flattened, without what is falsy", () => {
    const preset: PluginList = [plugin("b"), [plugin("c"), false], undefined];
    expect(names([plugin("a"), null, preset, plugin("d")])).toEqual(["a", "b", "c", "d"]);
    expect(names([])).toEqual([]);
  });

  it("puts who provides before who requires, and leaves the others", () => {
    expect(names([plugin("limit", { requires: [who] }), plugin("log"), plugin("token", { provides: [who] })])).toEqual([
      "token",
      "limit",
      "log",
    ]);
    expect(
      names([
        plugin("log"),
        plugin("limit", { requires: [who] }),
        plugin("cookie", { provides: [who] }),
        plugin("token", { provides: [who] }),
      ]),
    ).toEqual(["log", "cookie", "token", "limit"]);
  });

  it("takes a plugin that provides what it requires itself", () => {
    expect(
      names([plugin("refine", { requires: [who], provides: [who] }), plugin("token", { provides: [who] })]),
    ).toEqual(["token", "refine"]);
  });

  it("obeys before and after, where the named are there", () => {
    expect(names([plugin("a", { after: ["c", "nobody"] }), plugin("b"), plugin("c")])).toEqual(["c", "a", "b"]);
    expect(names([plugin("a"), plugin("b"), plugin("c", { before: ["a", "nobody"] })])).toEqual(["c", "a", "b"]);
  });

  it("takes a star for all others, but for those who ask for the same or for the contrary by name", () => {
    expect(names([plugin("inmost", { after: ["*"] }), plugin("a"), plugin("b")])).toEqual(["a", "b", "inmost"]);
    expect(names([plugin("a"), plugin("b"), plugin("outmost", { before: ["*"] })])).toEqual(["outmost", "a", "b"]);
    expect(names([plugin("one", { after: ["*"] }), plugin("a"), plugin("two", { after: ["*"] })])).toEqual([
      "a",
      "one",
      "two",
    ]);
    expect(names([plugin("inmost", { after: ["*"] }), plugin("sign", { after: ["inmost"] }), plugin("a")])).toEqual([
      "a",
      "inmost",
      "sign",
    ]);
    expect(names([plugin("early", { before: ["outmost"] }), plugin("outmost", { before: ["*"] })])).toEqual([
      "early",
      "outmost",
    ]);
    expect(names([plugin("alone", { after: ["*"], before: ["*"] })])).toEqual(["alone"]);
  });

  it("is stable, complete, and right for any list without circles", () => {
    const list = fc.array(fc.array(fc.nat(20), { maxLength: 3 }), { maxLength: 12 }).chain((specs) => {
      // Only after earlier ones, so there is no circle; then shuffled.
      const plugins = specs.map((after, index) =>
        plugin(String(index), { after: after.filter((other) => other < index).map(String) }),
      );
      return fc.shuffledSubarray(plugins, { minLength: plugins.length });
    });
    fc.assert(
      fc.property(list, (plugins) => {
        const ordered = orderPlugins(plugins);
        expect(new Set(ordered)).toEqual(new Set(plugins));
        for (const one of ordered)
          for (const name of one.after ?? [])
            expect(ordered.findIndex((other) => other.name === name)).toBeLessThan(ordered.indexOf(one));
        expect(orderPlugins(ordered)).toEqual(ordered);
        if (
          plugins.every(({ after = [] }, index) =>
            after.every((name) => plugins.findIndex((other) => other.name === name) < index),
          )
        )
          expect(ordered).toEqual(plugins);
      }),
    );
  });

  it("refuses a name twice, also in a preset", () => {
    expect(fault([plugin("a"), [plugin("a")]])).toEqual({
      reason: "plugin_twice",
      message: "[invalid_argument] Plugin a is configured twice. Keep one, or give them different names.",
    });
  });

  it("refuses a key that nobody provides, naming both", () => {
    expect(fault([plugin("limit", { requires: [who] })])).toEqual({
      reason: "plugin_missing_provider",
      message: '[invalid_argument] Plugin limit requires "who", which no plugin provides. Add one that does to use.',
    });
    expect(fault([plugin("limit", { requires: [unnamed] })]).message).toContain('requires "a key without description"');
  });

  it("refuses a circle, naming its members", () => {
    const other = createContextKey("", { description: "other" });
    const circle = [
      plugin("x"),
      plugin("a", { requires: [who], provides: [other] }),
      plugin("b", { requires: [other] }),
      plugin("c", { provides: [who], after: ["b"] }),
    ];
    expect(fault(circle)).toEqual({
      reason: "plugin_circle",
      message:
        "[invalid_argument] Plugins wait for each other: a after c after b after a. Remove a before, after, provides or requires.",
    });
    expect(fault([plugin("a", { after: ["a"] })]).message).toContain("a after a");
  });

  it("refuses a plugin of another contract", () => {
    expect(fault([{ ...plugin("old"), contract: 2 as never }])).toEqual({
      reason: "plugin_contract",
      message: "[failed_precondition] Plugin old speaks contract 2, this Raceway speaks 1. Install versions that fit.",
    });
  });
});
