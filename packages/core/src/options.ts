// Option tables: names, types, ranges, defaults and units from one place; checked on the user's own line.
import { fail } from "./errors.ts";

export interface NumberOption {
  readonly kind: "number";
  readonly default: number;
  readonly min: number;
  readonly max: number;
  readonly unit: "ms" | "bytes" | "count" | "ratio";
}
export interface BooleanOption {
  readonly kind: "boolean";
  readonly default: boolean;
}
export interface TextOption {
  readonly kind: "text";
  readonly default: string;
  /** Allowed values; absent: any. */
  readonly values?: readonly string[];
}
export interface ListOption {
  readonly kind: "list";
  readonly default: readonly string[];
}
export type Option = NumberOption | BooleanOption | TextOption | ListOption;
export type OptionTable = Readonly<Record<string, Option>>;

type ValueOf<O extends Option> = O extends NumberOption
  ? number
  : O extends BooleanOption
    ? boolean
    : O extends ListOption
      ? readonly string[]
      : O extends { readonly values: readonly (infer V extends string)[] }
        ? V
        : string;
/** What a user may give. */
export type OptionsOf<T extends OptionTable> = { readonly [K in keyof T]?: ValueOf<T[K]> | undefined };
/** What the code works with. */
export type ResolvedOptions<T extends OptionTable> = { readonly [K in keyof T]: ValueOf<T[K]> };

/** Checks what was given and fills in the defaults. Throws `option_unknown` or `option_invalid`, naming the part. */
export function resolveOptions<T extends OptionTable>(part: string, table: T, given: OptionsOf<T>): ResolvedOptions<T> {
  const resolved: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(table)) resolved[name] = option.default;
  for (const [name, value] of Object.entries(given)) {
    const option = Object.hasOwn(table, name) ? table[name] : undefined;
    if (option === undefined) throw fail("option_unknown", { part, option: name, have: Object.keys(table).join(", ") });
    if (value === undefined) continue;
    const expected = mismatch(option, value);
    if (expected !== undefined) throw fail("option_invalid", { part, option: name, value: shown(value), expected });
    resolved[name] = value;
  }
  return resolved as ResolvedOptions<T>;
}

/** For options that no table says, such as functions and other parts: throws `option_unknown`, naming the part, for what is none of the names. */
export function checkOptionNames(part: string, given: object, names: readonly string[]): void {
  for (const option of Object.keys(given))
    if (!names.includes(option)) throw fail("option_unknown", { part, option, have: names.join(", ") });
}

function mismatch(option: Option, value: unknown): string | undefined {
  switch (option.kind) {
    case "number":
      return typeof value === "number" && value >= option.min && value <= option.max
        ? undefined
        : `a number from ${option.min} to ${option.max} (${option.unit})`;
    case "boolean":
      return typeof value === "boolean" ? undefined : "true or false";
    case "list":
      return Array.isArray(value) && value.every((item) => typeof item === "string") ? undefined : "a list of strings";
    case "text":
      if (typeof value !== "string") return "a string";
      return option.values === undefined || option.values.includes(value)
        ? undefined
        : `one of ${option.values.join(", ")}`;
  }
}

function shown(value: unknown): string {
  const text = typeof value === "string" ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
