// Messages for form libraries and whoever else takes a Standard Schema: input is held to the type of a message, then to the rules of its schema.
import type { DescMessage, MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import type { Violation } from "@bufbuild/protovalidate";
import { learn, middlewareReasons } from "@raceway/core";
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { hasRules } from "./has-rules.ts";
import { isUnwrapped, messageOf } from "./message-input.ts";
import { violationsOf } from "./rules.ts";

learn(middlewareReasons);

/** A Standard Schema that answers at once, and never with a promise. */
export interface MessageStandardSchema<D extends DescMessage> extends StandardSchemaV1<
  MessageInitShape<D>,
  MessageShape<D>
> {
  readonly "~standard": Omit<StandardSchemaV1.Props<MessageInitShape<D>, MessageShape<D>>, "validate"> & {
    readonly validate: (input: unknown) => StandardSchemaV1.Result<MessageShape<D>>;
  };
}

/**
 * A message type as a Standard Schema, version 1 (https://standardschema.dev). Input is what `create(desc, …)` takes, of which nothing is taken on trust; output is
 * the message. Validates at once, without a promise: the type first, then the rules (`buf.validate`), if it is of that type. An issue's path leads through the input:
 * a member of a oneof is at `[oneof, "value"]`. Throws `rule_failed` where a rule cannot be applied. Of input with more than 1,000 values only the first broken rule is told.
 */
export function standardSchema<D extends DescMessage>(desc: D): MessageStandardSchema<D> {
  return {
    "~standard": {
      version: 1,
      vendor: "raceway",
      validate(input) {
        const { message, issues } = messageOf(desc, input);
        if (issues.length > 0) return { issues };
        const violations = hasRules(desc) ? violationsOf(desc, message) : [];
        if (violations.length > 0) return { issues: violations.map(issueOf) };
        return { value: message as MessageShape<D> };
      },
    },
  };
}

function issueOf({ message, ruleId, field }: Violation): StandardSchemaV1.Issue {
  return { message: message || `breaks the rule ${ruleId}`, path: pathOf(field) };
}

/** From a path through a message to one through what it is made of. */
function pathOf(field: Violation["field"]): readonly (string | number)[] {
  const path: (string | number)[] = [];
  let unwrapped = false;
  for (const part of field) {
    switch (part.kind) {
      case "list_sub":
        path.push(part.index);
        break;
      case "map_sub":
        path.push(String(part.key));
        break;
      case "oneof":
        path.push(part.localName);
        break;
      case "extension":
        path.push(`[${part.typeName}]`);
        break;
      case "field":
        if (unwrapped) break; // the field of a wrapper, which stands as its value
        if (part.oneof === undefined) path.push(part.localName);
        else path.push(part.oneof.localName, "value");
        unwrapped = isUnwrapped(part);
    }
  }
  return path;
}
