// Connect's codes by the names that people write: "unavailable", "deadline_exceeded".
import { Code } from "@connectrpc/connect";
import { fail } from "@raceway/core";

const names: ReadonlyMap<string, Code> = new Map(
  Object.entries(Code).flatMap(([name, code]) => (typeof code === "number" ? [[snake(name), code as Code]] : [])),
);

/** "unavailable", say. */
export function codeName(code: Code): string {
  return snake(Code[code]);
}

/** The codes that an option names. Throws `option_invalid`. */
export function codesOf(part: string, option: string, given: readonly string[]): ReadonlySet<Code> {
  return new Set(
    given.map((name) => {
      const code = names.get(name);
      if (code === undefined)
        throw fail("option_invalid", {
          part,
          option,
          value: JSON.stringify(name),
          expected: `codes out of ${[...names.keys()].join(", ")}`,
        });
      return code;
    }),
  );
}

function snake(name: string): string {
  return name.replace(/(?<=[a-z])[A-Z]/g, (letter) => `_${letter}`).toLowerCase();
}
