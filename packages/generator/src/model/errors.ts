// The errors that a schema declares for a method, with their names in TypeScript and the messages of their details.
import type { DescFile, DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";
import { nestedTypes } from "@bufbuild/protobuf/reflect";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { optionOf } from "./option-of.ts";

/** What can declare errors: a method for itself, a service and a file for all their methods. */
export type ErrorHolder = DescFile | DescService | DescMethod;

export interface DeclaredErrorRule {
  readonly holder: ErrorHolder;
  /** In the list of the holder. */
  readonly position: number;
  readonly rule: ext.ErrorRule;
  /** "roomFull". */
  readonly property: string;
  /** Undefined if there is none, or none of that name. */
  readonly detail: DescMessage | undefined;
}

/** Of the file, the service and the method, in that order. */
export function errorsOf(method: DescMethod): readonly DeclaredErrorRule[] {
  return [method.parent.file, method.parent, method].flatMap(ownErrors);
}

/** What one of them declares. */
export function ownErrors(holder: ErrorHolder): readonly DeclaredErrorRule[] {
  const file = holder.kind === "file" ? holder : holder.kind === "service" ? holder.file : holder.parent.file;
  return rulesOf(holder).map((rule, position) => ({
    holder,
    position,
    rule,
    property: propertyOf(rule.reason),
    detail: rule.detail === "" ? undefined : messageNamed(file, rule.detail),
  }));
}

function rulesOf(holder: ErrorHolder): readonly ext.ErrorRule[] {
  switch (holder.kind) {
    case "file":
      return optionOf(holder, ext.file).defaults?.errors ?? [];
    case "service":
      return optionOf(holder, ext.service).defaults?.errors ?? [];
    case "rpc":
      return optionOf(holder, ext.channel).errors;
  }
}

/** "ROOM_FULL" to "roomFull". */
export function propertyOf(reason: string): string {
  return reason.toLowerCase().replaceAll(/_+([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}

/** "RESOURCE_EXHAUSTED" to "resource_exhausted", as Connect writes it: with one l in "canceled". */
export function codeOf(code: ext.ErrorRule_Code): string {
  const name = ext.ErrorRule_CodeSchema.value[code]?.name ?? "UNKNOWN"; // the linter has refused others
  return name === "CANCELLED" ? "canceled" : name.toLowerCase();
}

/** Full name of what a name means in a package: the innermost scope that has it. */
export function resolveName(name: string, scope: string, isKnown: (fullName: string) => boolean): string | undefined {
  if (name.startsWith(".")) return isKnown(name.slice(1)) ? name.slice(1) : undefined;
  const parts = scope === "" ? [] : scope.split(".");
  for (let length = parts.length; length >= 0; length--) {
    const full = [...parts.slice(0, length), name].join(".");
    if (isKnown(full)) return full;
  }
  return undefined;
}

/** All messages that a file may name: its own, and those of its imports. */
export function visibleMessages(file: DescFile): ReadonlyMap<string, DescMessage> {
  let known = visible.get(file);
  if (known === undefined) {
    const files = new Set<DescFile>([file, ...file.dependencies]);
    for (const one of files)
      if (one !== file) for (const at of one.proto.publicDependency) files.add(one.dependencies[at]!);
    known = new Map([...files].flatMap((one) => [...messagesIn(one)].map((message) => [message.typeName, message])));
    visible.set(file, known);
  }
  return known;
}
const visible = new WeakMap<DescFile, ReadonlyMap<string, DescMessage>>();

function* messagesIn(file: DescFile): Generator<DescMessage> {
  for (const type of nestedTypes(file)) if (type.kind === "message") yield type;
}

function messageNamed(file: DescFile, name: string): DescMessage | undefined {
  const known = visibleMessages(file);
  const full = resolveName(name, file.proto.package, (one) => known.has(one));
  return full === undefined ? undefined : known.get(full);
}
