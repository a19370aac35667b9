// Imports: order, names that are taken, and paths between files.
import { posix } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { Imports } from "./imports.ts";

test("packages before files, values before types, each sorted", () => {
  const imports = new Imports("chat/v1/room.proto", "js", ["roomClient"]);
  imports.generatedValue("chat/v1/room.proto", "_pb", "RoomService");
  imports.messageType({ typeName: "x.M", file: "x.proto", type: "M", schema: "MSchema" });
  imports.type("@raceway/client", "CallOptions");
  imports.value("@raceway/client", "callUnary");
  imports.messageSchema({
    typeName: "google.protobuf.Empty",
    file: "google/protobuf/empty.proto",
    module: "@bufbuild/protobuf/wkt",
    type: "Empty",
    schema: "EmptySchema",
  });
  expect(imports.statements().join("\n")).toMatchInlineSnapshot(`
    "import type { EmptySchema } from "@bufbuild/protobuf/wkt";
    import { callUnary } from "@raceway/client";
    import type { CallOptions } from "@raceway/client";
    import type { M } from "../../x_pb.js";
    import { RoomService } from "./room_pb.js";"
  `);
});

test("a name that is taken is imported under another, the same each time", () => {
  const imports = new Imports("a.proto", "ts", ["roomClient"]);
  expect(imports.type("./b_pb.ts", "roomClient")).toBe("roomClient$");
  expect(imports.type("./c_pb.ts", "roomClient")).toBe("roomClient$$");
  expect(imports.type("./b_pb.ts", "roomClient")).toBe("roomClient$");
  expect(imports.type("./b_pb.ts", "Promise")).toBe("Promise$");
  expect(imports.value("./b_pb.ts", "request")).toBe("request$");
});

test("what is needed as a value is not imported as a type", () => {
  const imports = new Imports("a.proto", "none", []);
  imports.type("m", "A");
  imports.value("m", "A");
  imports.type("m", "A");
  expect(imports.statements()).toEqual(['import { A } from "m";']);
});

test("long lists are broken, a name a line", () => {
  const imports = new Imports("a.proto", "js", []);
  for (const name of [
    "Aaaaaaaaaaaaaaaaaaaaaaaaa",
    "Bbbbbbbbbbbbbbbbbbbbbbbbbb",
    "Cccccccccccccccccccccccccc",
    "Dddddddddddddddddddddddd",
  ])
    imports.type("m", name);
  expect(imports.statements()[0]!.split("\n")).toHaveLength(6);
});

test("paths between generated files lead where the file is", () => {
  const path = fc
    .array(fc.constantFrom("a", "b", "c.d", "it's"), { minLength: 1, maxLength: 4 })
    .map((parts) => `${parts.join("/")}.proto`);
  fc.assert(
    fc.property(path, path, (from, to) => {
      const imports = new Imports(from, "none", []);
      imports.generatedValue(to, "_pb", "x");
      const [, specifier] = /from "(.*)"/.exec(imports.statements()[0]!)!;
      expect(specifier).toMatch(/^\.\.?\//);
      expect(posix.join(posix.dirname(from), specifier!)).toBe(to.replace(/\.proto$/, "_pb"));
    }),
  );
});
