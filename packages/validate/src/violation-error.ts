// Violations as an error: what people read, and `buf.validate.Violations` for machines; bounded, and without what is sensitive.
import { type DescMessage, toBinary } from "@bufbuild/protobuf";
import { pathToString } from "@bufbuild/protobuf/reflect";
import { Violation, violationsToProto } from "@bufbuild/protovalidate";
import type { ConnectError } from "@connectrpc/connect";
import { fail, isSensitive, printable } from "@raceway/core";

export type BrokenRules = "message_invalid" | "response_invalid";

/** Violations that the text names. */
const NAMED = 3;
/** Bytes of the detail: with the rest of an error it has to fit into the headers of an HTTP response. */
const DETAIL_BYTES = 2_048;

/** Of the violations the text names three, the detail as many as fit into it. */
export function violationError(desc: DescMessage, violations: readonly Violation[], reason: BrokenRules): ConnectError {
  const shown = violations.map(withoutSecrets);
  const error = fail(reason, { type: desc.typeName, violations: textOf(shown) });
  const [list, schema] = violationsToProto([]);
  let bytes = new Uint8Array();
  for (const violation of shown) {
    list.violations.push(...violationsToProto([violation])[0].violations);
    const longer = toBinary(schema, list);
    if (longer.length > DETAIL_BYTES) break;
    bytes = longer;
  }
  if (bytes.length > 0) error.details.push({ type: schema.typeName, value: bytes });
  return error;
}

function textOf(violations: readonly Violation[]): string {
  const named = violations.slice(0, NAMED).map(({ field, message, ruleId }) => {
    const path = pathToString([...field]);
    const what = printable(message, 200) || "breaks a rule";
    return `${path === "" ? "" : `${printable(path, 120)}: `}${what} [${printable(ruleId, 80)}]`;
  });
  const more = violations.length - named.length;
  return `${named.join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
}

/** Where a field is sensitive, nothing is told of what is within it: neither keys of a map, nor what a rule of one's own says of a value. */
function withoutSecrets(violation: Violation): Violation {
  const at = violation.field.findIndex((part) => part.kind === "field" && isSensitive(part));
  if (at < 0) return violation;
  const { ruleId, field, rule, forKey } = violation;
  return new Violation("", ruleId, field.slice(0, at + 1), rule, forKey);
}
