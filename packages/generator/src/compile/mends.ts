// How to mend what the compiler says of a schema, by the words that it says it in.

/** The compiler could not read on: what it says of the rest of the line, and of names that it did not get to, follows from that. */
export const UNREADABLE: RegExp =
  /^(?:unexpected|missing|encountered unmatched|unrecognized token|unterminated|unescaped|invalid digit)\b/;

/** Takes what follows for a part of itself, to the end of the file. */
export const ENDLESS: RegExp = /^unterminated string literal|^encountered unmatched `\/\*`/;

export const NO_IMPORT = "imported file does not exist";

/** Said by us, of what the compiler cannot know. */
export const MERGE_MARK = "a merge has left its marks here";

const OWN_MESSAGE = "write a message that has it, and take that.";

/** The first that fits counts. */
const mends: readonly (readonly [said: RegExp, mend: string])[] = [
  [new RegExp(`^${MERGE_MARK}`), "keep what is right of both sides, and remove the marks."],
  [/^field number `\d+` used more than once/, "give one of them a number that the message has never had."],
  [/^use of reserved field/, "take another: it belonged to a field that is gone, and that old messages still have."],
  [/^field number out of range/, "numbers go from 1 to 536870911, without 19000 to 19999."],
  [/^missing message field tag/, "write `= 1` behind its name, or the next number that is free."],
  [
    /^enum value `-?\d+` used more than once/,
    "give one of them another number, or write `option allow_alias = true;`.",
  ],
  [/^first value of open enum must be zero/, "begin with one for what is not said, such as KIND_UNSPECIFIED = 0."],
  [/ within service definition$/, "a method is written `rpc Name(Request) returns (Reply);`."],
  [/^missing method return type/, "write `returns (…)`: a message, google.protobuf.Empty for instance."],
  [
    /^expected message type, found service method/,
    "within the service that is the method: write the message with its package and a dot in front, `.chat.v1.Say`, or rename it, to SayRequest for instance.",
  ],
  [
    /^expected message type, found scalar type/,
    "write a message with such a field, or one of google/protobuf/wrappers.proto.",
  ],
  [/^expected map key type/, "keys are strings, bools or whole numbers."],
  [/^unexpected type in map value type|^unexpected type after `repeated`|^unexpected `repeated`/, OWN_MESSAGE],
  [/^unexpected `required`/, "leave it out: only proto2 has it."],
  [/^custom default in "proto3"/, "leave it out: in proto3 each type has its own."],
  [/^group syntax is not supported/, OWN_MESSAGE],
  [/^unrecognized `(?:syntax|edition)` declaration value/, 'write `syntax = "proto3";`, or `edition = "2023";`.'],
  [/^detected cyclic import/, "move what both need to a file that both import."],
  [/^encountered unmatched `\/\*`/, "write `*/` where it ends."],
  [/^encountered unmatched/, "write what closes it, or remove it."],
  [/^unterminated string literal|^unescaped newlines/, "end the text on its line, with the quote that it begins with."],
  [
    /^unexpected message field at file scope/,
    "at the top of a file stand package, import, option, message, enum, service and extend: one of them may be misspelt.",
  ],
  [/^unrecognized token/, "remove it; a quote is \" or ', and nothing else."],
  [/ set multiple times$/, "keep one of them."],
  [/ declared multiple times$|same JSON name/, "rename or remove one of them."],
  [/^unexpected /, "a `;`, a brace or a quote may be missing before it."],
];

/** `text` is that of the file. */
export function mendFor(said: string, text: string): string {
  if (said === "unexpected type name" && !/\b(?:syntax|edition)\s*=/.test(text))
    return 'write `syntax = "proto3";` at the top of the file: without it, it is read as proto2.';
  return (
    mends.find(([words]) => words.test(said))?.[1] ??
    "see the language's reference at https://protobuf.com/docs/language-spec."
  );
}
