// Messages held to the rules of their types, by protovalidate. Pages load this file, and the library with it, when they first have a message that has rules.
import { type DescFile, type DescMessage, type MessageShape, createRegistry } from "@bufbuild/protobuf";
import { type Validator, type Violation, createValidator } from "@bufbuild/protovalidate";
import type { ConnectError } from "@connectrpc/connect";
import { fail } from "@raceway/core";
import { type BrokenRules, violationError } from "./violation-error.ts";

const validators = new WeakMap<DescFile, Validator>();
const quick = new WeakMap<DescFile, Validator>();

/** So many values in a message, and only the first violation of it is told: what has a hundred thousand is to cost no more than what it took to find one. */
const MOST_VALUES = 1_000;

/** The error of a message that breaks a rule of its type; undefined if it breaks none. `message` has to be of that very type. */
export function broken(desc: DescMessage, message: unknown, reason: BrokenRules): ConnectError | undefined {
  const violations = violationsOf(desc, message);
  return violations.length === 0 ? undefined : violationError(desc, violations, reason);
}

/** What a message breaks of the rules of its type, of which it has to be. Throws `rule_failed` where a rule cannot be applied. */
export function violationsOf(desc: DescMessage, message: unknown): readonly Violation[] {
  const first = run(quick, true, desc, message);
  if (first.length === 0) return first;
  return valuesIn(message, MOST_VALUES) < MOST_VALUES ? run(validators, false, desc, message) : first;
}

function run(
  of: WeakMap<DescFile, Validator>,
  failFast: boolean,
  desc: DescMessage,
  message: unknown,
): readonly Violation[] {
  let validator = of.get(desc.file);
  if (validator === undefined) {
    validator = createValidator({ registry: createRegistry(...filesOf(desc.file)), failFast });
    of.set(desc.file, validator);
  }
  const result = validator.validate(desc, message as MessageShape<DescMessage>);
  if (result.kind !== "error") return result.violations ?? [];
  const error = fail("rule_failed", { type: desc.typeName });
  error.cause = result.error;
  throw error;
}

/** A file and all that it imports, each after those that it imports itself. */
export function filesOf(file: DescFile): readonly DescFile[] {
  const files = new Set<DescFile>();
  const visit = (one: DescFile): void => {
    if (files.has(one)) return;
    for (const dependency of one.dependencies) visit(dependency);
    files.add(one);
  };
  visit(file);
  return [...files];
}

/** How many values a message has, about; never more than `most`. */
function valuesIn(value: unknown, most: number): number {
  let count = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0 && count < most) {
    const next = waiting.pop();
    if (typeof next !== "object" || next === null || next instanceof Uint8Array) continue;
    for (const key in next) {
      if (++count >= most) break;
      waiting.push((next as Readonly<Record<string, unknown>>)[key]);
    }
  }
  return count;
}
