// Rules about addresses: their form, the fields they name, and that no two of a package can be the same.
import { type DescMethod, ScalarType } from "@bufbuild/protobuf";
import { limitTable } from "@raceway/core";
import * as ext from "../gen/raceway/v1/options_pb.ts";
import { FIELD_IN_ADDRESS, fieldNamed, fieldRules } from "../model/options.ts";
import { type Place, optionPart } from "../place.ts";
import type { Rule } from "../rules.ts";
import { AddressIndex } from "./address-index.ts";
import { canBeKey, describeType, didYouMean } from "./channel.ts";
import type { Report } from "./finding.ts";

const LITERAL = /^[A-Za-z0-9._~-]+$/;

/** A good address. */
export interface Address {
  readonly method: DescMethod;
  readonly segments: readonly string[];
  readonly place: Place;
}

/** Undefined if there is none, or it is not good. */
export function lintAddress(method: DescMethod, channel: ext.Channel, report: Report): Address | undefined {
  const { kind } = channel;
  if (kind.case !== "topic" && kind.case !== "state" && kind.case !== "queue") return undefined;
  const { address } = kind.value;
  if (address === "") {
    if (kind.case === "queue" || method.input.fields.length > 0) {
      const mend = `add one, such as address: "${example(method, kind.case)}".`;
      report.error(
        "address_missing",
        optionPart(method, ext.channel, [kind.case], kind.case),
        `this ${kind.case} has no address`,
        mend,
      );
    }
    return undefined;
  }
  const segments = address.split("/");
  const seen = new Set<string>();
  let good = true;
  for (const segment of segments) {
    const wrong = wrongSegment(method, kind.case, segment, seen);
    if (wrong === undefined) continue;
    good = false;
    const token = segment === "" ? undefined : segment;
    report.error(wrong.rule, optionPart(method, ext.channel, [kind.case, "address"], token), wrong.message, wrong.mend);
  }
  const place = optionPart(method, ext.channel, [kind.case, "address"]);
  const fixed = address.replaceAll(/\{[^}]*\}/g, "").length;
  if (fixed > limitTable.addressBytes.default) {
    report.warning(
      "address_invalid",
      place,
      `an address of ${fixed} bytes and its fields is longer than servers take, which is ${limitTable.addressBytes.default} bytes`,
      "shorten it, or raise limits.addressBytes of the server.",
    );
  }
  return good ? { method, segments, place } : undefined;
}

interface Wrong {
  readonly rule: Rule;
  readonly message: string;
  readonly mend: string;
}

function wrongSegment(method: DescMethod, kind: string, segment: string, seen: Set<string>): Wrong | undefined {
  const name = FIELD_IN_ADDRESS.exec(segment)?.[1];
  if (name !== undefined) {
    if (seen.has(name))
      return { rule: "address_invalid", message: `the address names \`${name}\` twice`, mend: "name each field once." };
    seen.add(name);
    return wrongField(method, kind, segment, name);
  }
  if (segment === "") {
    return {
      rule: "address_invalid",
      message: "the address has an empty segment",
      mend: "remove the / at the start, at the end, or before another /.",
    };
  }
  if (segment === "." || segment === "..") {
    return {
      rule: "address_invalid",
      message: `\`${segment}\` is another segment's name, or none, to whatever reads addresses as paths`,
      mend: "write a name.",
    };
  }
  if (LITERAL.test(segment)) return undefined;
  return {
    rule: "address_invalid",
    message: `\`${segment}\` cannot be a segment of an address`,
    mend: mendSegment(segment),
  };
}

function wrongField(method: DescMethod, kind: string, segment: string, name: string): Wrong | undefined {
  if (kind === "queue") {
    return {
      rule: "address_field_unknown",
      message: "a queue's request is a stream, so its address cannot depend on it",
      mend: `write a fixed segment in place of ${segment}.`,
    };
  }
  const field = fieldNamed(method.input, name);
  if (field === undefined) {
    return {
      rule: "address_field_unknown",
      message: `the address names \`${name}\`, which ${method.input.typeName} does not have`,
      mend: didYouMean(name, method.input),
    };
  }
  if (!canBeKey(field) || (field.fieldKind === "scalar" && field.scalar === ScalarType.BOOL)) {
    return {
      rule: "address_field_type",
      message: `\`${name}\` is ${describeType(field)}, which cannot be part of an address`,
      mend: "name a single string, integer or enum field that is not in a oneof.",
    };
  }
  if (fieldRules(field).sensitive === true) {
    return {
      rule: "address_field_sensitive",
      message: `\`${name}\` is marked as sensitive, and addresses are logged`,
      mend: "name another field, or remove the mark.",
    };
  }
  return undefined;
}

function mendSegment(segment: string): string {
  if (/\{[^}]*\./.test(segment)) return "name a field of the request itself; fields of its messages cannot be reached.";
  if (/\{\w+\}/.test(segment)) return "a field has a segment of its own: put a / before and after it.";
  return "write letters, digits and . _ ~ - only.";
}

function example(method: DescMethod, kind: string): string {
  const name = method.name.toLowerCase();
  const field = kind === "queue" ? undefined : method.input.fields.find(canBeKey);
  return field === undefined ? name : `${name}/{${field.name}}`;
}

/** Of two addresses of one package, the second is reported if some values of their fields make them the same. */
export function lintDuplicates(addresses: readonly Address[], report: Report): void {
  const indexes = new Map<string, AddressIndex<Address>>();
  for (const address of addresses) {
    // Only addresses of one package and of one length can be the same.
    const scope = `${address.method.parent.file.proto.package} ${address.segments.length}`;
    let index = indexes.get(scope);
    if (index === undefined) indexes.set(scope, (index = new AddressIndex()));
    const same = index.add(address.segments, address);
    if (same === undefined) continue;
    report.error(
      "address_duplicate",
      address.place,
      `"${address.segments.join("/")}" can be the same address as "${same.segments.join("/")}" of ${same.method.parent.name}.${same.method.name}`,
      "change a fixed segment of one of them.",
    );
  }
}
