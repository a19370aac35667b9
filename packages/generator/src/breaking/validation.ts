// Rules of Protovalidate (https://protovalidate.com/reference/rules/) that refuse messages which passed before.
import {
  type DescField,
  type DescMessage,
  type DescOneof,
  type JsonValue,
  type Registry,
  getOption,
  hasOption,
  toJson,
} from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import type { Finding } from "../lint/finding.ts";
import { nameOf } from "../place.ts";
import type { SchemaSet } from "./baseline.ts";

type Ruled = DescMessage | DescField | DescOneof;

interface Rule {
  /** As it is written: "int32.gt". */
  readonly path: string;
  readonly value: JsonValue;
}

/** By path. There is `gt` or `gte`, and so `lt` or `lte`: both are under the name of the second. */
type Rules = ReadonlyMap<string, Rule>;

const LOWER: ReadonlySet<string> = new Set(["min_len", "min_bytes", "min_items", "min_pairs", "gte"]);
const UPPER: ReadonlySet<string> = new Set(["max_len", "max_bytes", "max_items", "max_pairs", "lte"]);
/** What is not looked at, from little to all. */
const IGNORED: readonly JsonValue[] = ["IGNORE_UNSPECIFIED", "IGNORE_IF_ZERO_VALUE", "IGNORE_ALWAYS"];

/** Of messages, fields and oneofs that both have. */
export function compareValidation(before: SchemaSet, after: SchemaSet, report: (finding: Finding) => void): void {
  for (const file of before.files)
    for (const old of nestedTypes(before.registry.getFile(file)!)) {
      const message = old.kind === "message" ? after.registry.getMessage(old.typeName) : undefined;
      if (old.kind !== "message" || message === undefined) continue;
      tell(message, message, old);
      for (const field of message.fields)
        tell(
          field,
          field,
          old.fields.find(({ number }) => number === field.number),
        );
      for (const oneof of message.oneofs)
        tell(
          message,
          oneof,
          old.oneofs.find(({ name }) => name === oneof.name),
        );
    }

  function tell(place: DescMessage | DescField, desc: Ruled, old: Ruled | undefined): void {
    const changes = old === undefined ? [] : tightened(rulesOf(old, after.registry), rulesOf(desc, after.registry));
    if (changes.length === 0) return;
    report({
      rule: "validation_tightened",
      severity: "error",
      message: `\`${desc.name}\` refuses what passed before: ${changes.join(", ")}`,
      mend: "let pass what did, or add a field that has the new rules.",
      place: nameOf(place),
    });
  }
}

/** Options are kept as bytes, so what the new schema knows of rules reads those of the old one, too. */
function rulesOf(desc: Ruled, registry: Registry): Rules {
  const option = registry.getExtension(`buf.validate.${desc.kind}`);
  const rules = new Map<string, Rule>();
  if (option?.message === undefined || !hasOption(desc, option)) return rules;
  collect(toJson(option.message, getOption(desc, option) as never, { registry, useProtoFieldName: true }), "");
  return rules;

  function collect(value: JsonValue, path: string): void {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      rules.set(path.replace(/\.([gl]t)$/, ".$1e"), { path, value });
    else for (const [name, one] of Object.entries(value)) collect(one, path === "" ? name : `${path}.${name}`);
  }
}

/** "string.min_len was 3, and is 5". */
function tightened(before: Rules, after: Rules): readonly string[] {
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key) => {
    const [was, is] = [before.get(key), after.get(key)];
    if (passes(key.slice(key.lastIndexOf(".") + 1), was, is)) return [];
    return `${(is ?? was)!.path} was ${was === undefined ? "not said" : textOf(was, is)}, and is ${is === undefined ? "not" : textOf(is, was)}`;
  });
}

/** Whether all that passed the old rule passes the new one. */
function passes(name: string, was: Rule | undefined, is: Rule | undefined): boolean {
  if (name === "example") return true;
  if (name === "ignore") return IGNORED.indexOf(is?.value ?? IGNORED[0]!) >= IGNORED.indexOf(was?.value ?? IGNORED[0]!);
  if (is === undefined || (is.value === false && name !== "const")) return true;
  if (was === undefined) return false;
  if (LOWER.has(name) || UPPER.has(name)) {
    const [lower, upper] = LOWER.has(name) ? [is, was] : [was, is];
    if (sizeOf(is) === sizeOf(was)) return isPassed(is) || !isPassed(was);
    return sizeOf(lower) < sizeOf(upper);
  }
  const [old, now] = [itemsOf(was), itemsOf(is)];
  if (name === "in") return [...old].every((item) => now.has(item));
  return [...now].every((item) => old.has(item));
}

const WHOLE = /\b(?:u?int|sint|s?fixed)(?:32|64)\.[gl]te?$/;

/** Of a bound: a number, or a time or a duration as JSON writes it. Of whole numbers, what is more than 5 is from 6 on. */
function sizeOf({ path, value }: Rule): number {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  const size = /^-?[\d.]+(?:e[+-]?\d+)?s?$/i.test(text) ? Number.parseFloat(text) : Date.parse(text);
  return WHOLE.test(path) ? size + Number(path.endsWith(".gt")) - Number(path.endsWith(".lt")) : size;
}

/** Whether a bound passes itself. */
function isPassed({ path }: Rule): boolean {
  return WHOLE.test(path) || !/\.[gl]t$/.test(path);
}

/** What a list has, or the one value; of an expression, what it computes, whatever its name and its message. */
function itemsOf({ value }: Rule): ReadonlySet<string> {
  const items = Array.isArray(value) ? value : [value];
  return new Set(
    items.map((item) =>
      JSON.stringify(typeof item === "object" && item !== null && "expression" in item ? item.expression : item),
    ),
  );
}

/** With its name, if that is another: "gte 5". */
function textOf({ path, value }: Rule, other: Rule | undefined): string {
  const name = other === undefined || other.path === path ? "" : `${path.slice(path.lastIndexOf(".") + 1)} `;
  return name + (typeof value === "string" ? value : JSON.stringify(value));
}
