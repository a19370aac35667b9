// A message made from input of any shape, in the form that `create` takes, and where the input does not fit its type.
import {
  type DescEnum,
  type DescField,
  type DescMessage,
  type JsonValue,
  type Message,
  ScalarType,
  type UnknownField,
  create,
  fromJson,
} from "@bufbuild/protobuf";
import { type ReflectMessage, reflect } from "@bufbuild/protobuf/reflect";
import { isWrapperDesc } from "@bufbuild/protobuf/wkt";

/** What is wrong with a part of the input, and the way to it: names of properties, keys of maps, indexes of lists. */
export interface InputIssue {
  readonly message: string;
  readonly path: readonly (string | number)[];
}

/** As deep as messages are read from elsewhere. */
const DEPTH = 100;
/** So many issues are told: a list of a hundred thousand that are all wrong is no form. */
const MOST_ISSUES = 1_000;
/** `google.protobuf.FeatureSet.FieldPresence.LEGACY_REQUIRED`. */
const REQUIRED = 3;
/** Not a value that a field can have. */
const WRONG = Symbol("wrong");

type Way = InputIssue["path"];
type Values = Readonly<Record<string, unknown>>;

/** The message, complete if `issues` are none. Properties that the type does not know are left out; `undefined` and `null` are as if not there. */
export function messageOf(
  desc: DescMessage,
  input: unknown,
): { readonly message: Message; readonly issues: readonly InputIssue[] } {
  const reader = new InputReader();
  const message = reader.message(desc, input, [], DEPTH);
  return { message: message?.message ?? create(desc), issues: reader.issues };
}

/** Does a field's message stand as the value that it wraps: `google.protobuf.StringValue` as a string? */
export function isUnwrapped(field: DescField): boolean {
  return field.fieldKind === "message" && field.oneof === undefined && isWrapperDesc(field.message);
}

class InputReader {
  readonly issues: InputIssue[] = [];
  /** What is being read: the message, and those that it is in. */
  readonly #within = new Set<object>();

  message(desc: DescMessage, input: unknown, path: Way, depth: number): ReflectMessage | undefined {
    if (!isObject(input)) return this.#wrong("must be an object", path);
    if (this.#within.has(input)) return this.#wrong("contains itself", path);
    if (depth === 0) return this.#wrong("is nested too deep", path);
    this.#within.add(input);
    const made = this.#members(desc, input, path, depth);
    this.#within.delete(input);
    return made;
  }

  #members(desc: DescMessage, input: Values, path: Way, depth: number): ReflectMessage {
    const made = reflect(desc, create(desc));
    for (const member of desc.members) {
      const value = ownOf(input, member.localName);
      const at = [...path, member.localName];
      if (member.kind === "field") {
        if (value !== undefined) this.#field(made, member, value, at, depth);
        else if ((member.presence as number) === REQUIRED) this.#wrong("is required", at);
        continue;
      }
      if (value === undefined) continue;
      if (!isObject(value)) {
        this.#wrong("must be an object with case and value", at);
        continue;
      }
      const name = ownOf(value, "case");
      if (name === undefined) continue;
      const field = member.fields.find(({ localName }) => localName === name);
      if (field === undefined) {
        this.#wrong(`must be one of ${member.fields.map(({ localName }) => localName).join(", ")}`, at);
        continue;
      }
      const chosen = ownOf(value, "value");
      if (chosen === undefined) this.#wrong("is required", [...at, "value"]);
      else this.#field(made, field, chosen, [...at, "value"], depth);
    }
    const unknown = ownOf(input, "$unknown");
    if (Array.isArray(unknown)) made.setUnknown(unknown.filter(isUnknownField)); // of a message that was read: not ours to lose
    return made;
  }

  #field(made: ReflectMessage, field: DescField, input: unknown, path: Way, depth: number): void {
    switch (field.fieldKind) {
      case "list": {
        if (!Array.isArray(input)) return void this.#wrong("must be a list", path);
        const list = made.get(field);
        for (const [index, each] of input.entries())
          this.#take(field, each, [...path, index], depth, (value) => list.add(value));
        return;
      }
      case "map": {
        if (!isObject(input)) return void this.#wrong("must be an object", path);
        const map = made.get(field);
        for (const [name, each] of Object.entries(input)) {
          const at = [...path, name];
          const key = keyOf(field.mapKey, name);
          if (key === WRONG) this.#wrong(`has a key that ${scalarText(field.mapKey)}`, at);
          else this.#take(field, each, at, depth, (value) => map.set(key, value));
        }
        return;
      }
      default:
        this.#take(field, input, path, depth, (value) => made.set(field, value));
    }
  }

  /** One value: of a field, an item of a list, a value of a map. `set` throws what is not of its type. */
  #take(field: DescField, input: unknown, path: Way, depth: number, set: (value: unknown) => void): void {
    const value = field.message === undefined ? scalarInput(field, input) : this.#sub(field, input, path, depth);
    if (value === undefined) return; // said already
    try {
      set(value);
    } catch {
      this.#wrong(field.enum === undefined ? scalarText(field.scalar!) : enumText(field.enum), path);
    }
  }

  #sub(
    field: DescField & { readonly message: DescMessage },
    input: unknown,
    path: Way,
    depth: number,
  ): ReflectMessage | undefined {
    const desc = field.message;
    if (isUnwrapped(field)) {
      const made = reflect(desc, create(desc));
      this.#take(desc.fields[0]!, input, path, depth, (value) => made.set(desc.fields[0]!, value));
      return made;
    }
    // A struct stands as the JSON object that it is, except within a `Value`.
    if (desc.typeName !== "google.protobuf.Struct" || field.parent.typeName === "google.protobuf.Value")
      return this.message(desc, input, path, depth - 1);
    try {
      return reflect(desc, fromJson(desc, input as JsonValue));
    } catch {
      return this.#wrong("must be an object of JSON", path);
    }
  }

  #wrong(message: string, path: Way): undefined {
    if (this.issues.length < MOST_ISSUES) this.issues.push({ message, path });
  }
}

const isObject = (value: unknown): value is Values =>
  typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);

const isUnknownField = (value: unknown): value is UnknownField =>
  isObject(value) &&
  Number.isInteger(value["no"]) &&
  Number.isInteger(value["wireType"]) &&
  value["data"] instanceof Uint8Array;

/** Undefined: it is not there. Messages of proto2 have their defaults in a prototype, which says nothing of what is there. */
function ownOf(values: Values, name: string): unknown {
  return Object.hasOwn(values, name) ? (values[name] ?? undefined) : undefined;
}

function scalarInput(field: DescField, input: unknown): unknown {
  if (field.scalar === ScalarType.BYTES && Array.isArray(input)) return Uint8Array.from(input as number[]);
  return input ?? WRONG;
}

/** Keys of objects are text. */
function keyOf(type: ScalarType, name: string): string | number | bigint | boolean | typeof WRONG {
  switch (type) {
    case ScalarType.STRING:
      return name;
    case ScalarType.BOOL:
      return name === "true" || (name === "false" ? false : WRONG);
    default: {
      if (!/^-?\d+$/.test(name)) return WRONG;
      const big = BigInt(name);
      const { least, most } = wholeNumbers(type);
      if (big < least || big > most) return WRONG;
      return most > 2n ** 32n ? big : Number(big);
    }
  }
}

function wholeNumbers(type: ScalarType): { readonly least: bigint; readonly most: bigint } {
  switch (type) {
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return { least: -(2n ** 31n), most: 2n ** 31n - 1n };
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return { least: 0n, most: 2n ** 32n - 1n };
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return { least: 0n, most: 2n ** 64n - 1n };
    default:
      return { least: -(2n ** 63n), most: 2n ** 63n - 1n };
  }
}

/** What a value has to be. Says nothing of the value, which may be secret. */
function scalarText(type: ScalarType): string {
  switch (type) {
    case ScalarType.STRING:
      return "must be text";
    case ScalarType.BYTES:
      return "must be bytes";
    case ScalarType.BOOL:
      return "must be true or false";
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return "must be a number";
    default: {
      const { least, most } = wholeNumbers(type);
      return `must be a whole number from ${least} to ${most}`;
    }
  }
}

function enumText({ open, values }: DescEnum): string {
  return open ? scalarText(ScalarType.INT32) : `must be one of ${values.map(({ number }) => number).join(", ")}`;
}
