// Rules that cannot be applied, found when a server starts: protovalidate says so only of the first message that meets one, and seldom of which rule.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type DescOneof,
  type Message,
  type MessageInitShape,
  type MessageShape,
  type Registry,
  ScalarType,
  type UnknownField,
  clone,
  create,
  createFileRegistry,
  createRegistry,
  getOption,
  toBinary,
} from "@bufbuild/protobuf";
import { reflect } from "@bufbuild/protobuf/reflect";
import { BinaryWriter, WireType } from "@bufbuild/protobuf/wire";
import { FileDescriptorProtoSchema, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createValidator } from "@bufbuild/protovalidate";
import {
  type FieldRules,
  FieldRulesSchema,
  MessageRulesSchema,
  OneofRulesSchema,
  field,
  message,
  oneof,
} from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";
import { RULES, holdersOf, typesWithin } from "./has-rules.ts";
import { filesOf } from "./rules.ts";

/** What is wrong with one rule. */
export interface WrongRule {
  /** "chat.v1.Message.text, rule length.words", say. */
  readonly where: string;
  readonly why: string;
}

/** What a rule says that can be applied to no message, whatever is in it. Other failures, such as a division by zero, depend on the message. */
const hopeless =
  /failed to compile|unbound function|no matching overload|field not found|error parsing regexp|unknown identifier|unresolved|expected rule|not found in|duplicate .* in oneof rule|at least one field/;

/** Undefined if all rules of a type, and of the types within it, can be applied. Also makes ready what the first message would have to wait for. */
export function wrongRule(desc: DescMessage): WrongRule | undefined {
  if (failureOf(desc, createRegistry(...filesOf(desc.file))) === undefined) return undefined;
  for (const type of typesWithin(desc)) {
    for (const holder of holdersOf(type)) {
      for (const { name, options } of rulesOf(holder)) {
        const why = failureAlone(type, holder, options);
        if (why !== undefined) return { where: `${nameOf(holder)}${name === "" ? "" : `, rule ${name}`}`, why };
      }
    }
  }
  return { where: desc.typeName, why: failureOf(desc, createRegistry(...filesOf(desc.file)))! };
}

/** Tries the rules on messages of little sense, in which each field is set at least once. */
function failureOf(desc: DescMessage, registry: Registry): string | undefined {
  const validator = createValidator({ registry });
  const rounds = Math.max(1, ...typesWithin(desc).flatMap(({ oneofs }) => oneofs.map(({ fields }) => fields.length)));
  for (let round = -1; round < rounds; round++) {
    const { kind, error } = validator.validate(desc, round < 0 ? create(desc) : sample(desc, round, []));
    if (kind === "error" && hopeless.test(error.message)) return error.message.split("\n")[0]!;
  }
  return undefined;
}

/** Each field set; of the fields of a oneof the one whose turn it is. */
function sample(desc: DescMessage, round: number, within: readonly DescMessage[]): Message {
  const made = create(desc);
  const fields = reflect(desc, made, false);
  for (const each of desc.fields) {
    if (each.oneof !== undefined && each.oneof.fields[round % each.oneof.fields.length] !== each) continue;
    if (each.message !== undefined && (within.includes(each.message) || each.message === desc)) continue;
    const value = (): unknown => {
      if (each.message !== undefined)
        return reflect(each.message, sample(each.message, round, [...within, desc]), false);
      return each.enum === undefined ? scalar(each.scalar) : firstOf(each.enum);
    };
    if (each.fieldKind === "list") fields.get(each).add(value());
    else if (each.fieldKind === "map") fields.get(each).set(scalar(each.mapKey), value());
    else fields.set(each, value());
  }
  return made;
}

const firstOf = ({ values }: DescEnum): number => values.at(-1)!.number;

function scalar(type: ScalarType): unknown {
  switch (type) {
    case ScalarType.STRING:
      return "a";
    case ScalarType.BYTES:
      return Uint8Array.of(97);
    case ScalarType.BOOL:
      return true;
    case ScalarType.INT64:
    case ScalarType.UINT64:
    case ScalarType.SINT64:
    case ScalarType.FIXED64:
    case ScalarType.SFIXED64:
      return 1n;
    default:
      return 1;
  }
}

type Holder = DescMessage | DescOneof | DescField;

/** The rules of one holder, each as options that have it alone. */
function rulesOf(holder: Holder): readonly { readonly name: string; readonly options: UnknownField }[] {
  switch (holder.kind) {
    case "oneof":
      return [{ name: "", options: optionOf(OneofRulesSchema, getOption(holder, oneof)) }];
    case "message": {
      const { cel, celExpression, oneof: members } = getOption(holder, message);
      const alone = (name: string, rules: MessageInitShape<typeof MessageRulesSchema>) => ({
        name,
        options: optionOf(MessageRulesSchema, create(MessageRulesSchema, rules)),
      });
      return [
        ...cel.map((rule) => alone(rule.id, { cel: [rule] })),
        ...celExpression.map((expression) => alone(expression, { celExpression: [expression] })),
        ...members.map((rule) => alone("oneof", { oneof: [rule] })),
      ];
    }
    case "field": {
      const rules = getOption(holder, field);
      const alone = (name: string, own: Partial<FieldRules>) => ({
        name,
        options: optionOf(FieldRulesSchema, { ...rules, cel: [], celExpression: [], ...own }),
      });
      const bare = { type: { case: undefined } } as const;
      return [
        ...rules.cel.map((rule) => alone(rule.id, { ...bare, cel: [rule] })),
        ...rules.celExpression.map((expression) => alone(expression, { ...bare, celExpression: [expression] })),
        alone(rules.type.case ?? "", {}),
      ];
    }
  }
}

function optionOf<D extends DescMessage>(desc: D, rules: MessageShape<D>): UnknownField {
  return {
    no: RULES,
    wireType: WireType.LengthDelimited,
    data: new BinaryWriter().bytes(toBinary(desc, rules)).finish(),
  };
}

/** What fails if a type, with all it needs, has no rule but one. */
function failureAlone(type: DescMessage, holder: Holder, options: UnknownField): string | undefined {
  const file = filesOf(type.file).map(({ proto }) => clone(FileDescriptorProtoSchema, proto));
  const registry = createFileRegistry(create(FileDescriptorSetSchema, { file }));
  for (const { messages } of registry.files)
    for (const one of nested(messages)) for (const each of holdersOf(one)) hold(each, []);
  const bare = registry.getMessage(type.typeName)!;
  switch (holder.kind) {
    case "message":
      hold(bare, [options]);
      break;
    case "oneof":
      hold(
        bare.oneofs.find(({ name }) => name === holder.name)!,
        [options],
      );
      break;
    case "field":
      hold(
        bare.fields.find(({ number }) => number === holder.number)!,
        [options],
      );
  }
  return failureOf(bare, registry);
}

/** Changes the rules of what stands in a registry of our own. */
function hold({ proto }: Holder, rules: readonly UnknownField[]): void {
  const { options } = proto;
  if (options === undefined) return;
  options.$unknown = [...(options.$unknown ?? []).filter(({ no }) => no !== RULES), ...rules];
}

function* nested(messages: readonly DescMessage[]): Generator<DescMessage> {
  for (const each of messages) {
    yield each;
    yield* nested(each.nestedMessages);
  }
}

function nameOf(holder: Holder): string {
  return holder.kind === "message" ? holder.typeName : `${holder.parent.typeName}.${holder.name}`;
}
