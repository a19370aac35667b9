// Schemas of somebody who wants to break out of the code that is made from them: valid protobuf, hostile in all that is free to choose.
import fc from "fast-check";

/** Stands in comments and texts, and in no name: code that has it was made of text. */
export const EVIL = "globalThis.hostile = true;";

export interface HostileFile {
  /** Import path. */
  readonly path: string;
  readonly text: string;
}

/** Words that mean something in TypeScript, to objects, to protobuf-es, or in generated code; not those that the linter refuses. */
const words = [
  ...["constructor", "prototype", "proto", "hasOwnProperty", "toString", "valueOf", "toJSON", "then", "isPrototypeOf"],
  ...["async", "class", "delete", "function", "new", "null", "true", "NaN", "Eval"],
  ...["let", "yield", "interface", "string", "number", "Promise", "Record", "AsyncIterable"],
  ...["NonNullable", "Array", "Object", "Symbol", "Error", "Map", "Transport", "CallOptions", "CallContext", "ErrorOf"],
  ...["Code", "Message", "MessageInitShape", "ServiceContract", "ChannelContract", "ErrorDeclaration", "TopicOptions"],
  ...["fileDesc", "messageDesc", "serviceDesc", "GenFile", "GenMessage", "GenEnum", "window", "process", "require"],
  ...[
    "module",
    "exports",
    "default",
    "this",
    "super",
    "static",
    "get",
    "set",
    "of",
    "in",

    "is",
    "typeof",
    "void",
  ],
  ...["request", "requests", "messages", "options", "context", "connection", "error", "fail", "domain", "reason"],
  ...[
    "Room",
    "RoomClient",
    "roomClient",
    "roomService",
    "RoomHandlers",
    "Service",
    "Client",
    "callUnary",
    "declaredError",
  ],
  ...["_", "_a", "a_", "A1", "a1_b2", "x__y", "Schema", "file", "enum_", "type", "key", "value", "length", "name"],
];

/** Pieces of text that end, open or direct something somewhere. */
const pieces = [
  ...["*/", "/*", "//", "/**", "*\\/", "`", "${", "}", '"', "'", "\\", "\\u002a/", "\\u{2a}/", "\n", "\r", "\r\n"],
  ...["\u2028", "\u2029", "\u0085", "\u202e", "\ufeff", "\u200b", "\t", "</script>", "<script>", "<!--", "-->", "]]>"],
  ...[
    "@ts-nocheck",
    "@ts-ignore",
    "@ts-expect-error",
    "#__NO_SIDE_EFFECTS__",
    '/// <reference path="x" />',
    "//# sourceMappingURL=x",
    "#!/bin/sh",
    "@deprecated",
  ],
  ...[
    "{@link x}",
    "```",
    "|",
    "[x](javascript:x)",
    "# x",
    "---",
    "%s",
    "$&",
    "$1",
    "𝕳",
    "é",
    "null",
    "__proto__",
    ";",
    ")",
  ],
  ...[
    "});",
    "import 'x';",
    "export default x;",
    "x",
    " ",
    EVIL,
    EVIL,
    EVIL,
    `*/ ${EVIL} /*`,
    `\`; ${EVIL} \``,
    `"; ${EVIL} "`,
  ],
];

const hostileText = fc.array(fc.constantFrom(...pieces), { maxLength: 8 }).map((parts) => parts.join(" "));

/** Different words, also where case and "_" do not count. */
function names(count: number): fc.Arbitrary<readonly string[]> {
  const plain = (word: string): string => word.replaceAll("_", "").toLowerCase();
  return fc.uniqueArray(fc.constantFrom(...words.filter((word) => plain(word) !== "")), {
    minLength: count,
    maxLength: count,
    selector: plain,
  });
}

/** A comment before a declaration; a block cannot have its own end in it, and a line ends at "\n" alone. */
const comment = fc.tuple(hostileText, fc.constantFrom("line", "block", "none", "detached")).map(([text, form]) => {
  const lines = (): string =>
    text
      .split("\n")
      .map((line) => `//${line}\n`)
      .join("");
  switch (form) {
    case "line":
      return lines();
    case "block":
      return `/*${text.replaceAll("*/", "* /")}*/\n`;
    case "detached":
      return `${lines()}\n/** ${EVIL} */\n`;
    default:
      return "";
  }
});

/** A text in quotes: everything that ends a line or a text by its number. */
function quoted(text: string): string {
  return `"${text.replaceAll(/["\\\n\r\t]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, "0")}`)}"`;
}

/** Names of policies have nothing in them that cannot be seen. */
function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "?").trim() || "x";
}

const scalars = ["string", "bytes", "bool", "int32", "uint64", "sfixed64", "double", "float", "int64"];
const shapes = [
  ["", ""],
  ["", "stream "],
  ["stream ", ""],
  ["stream ", "stream "],
] as const;

/** The body of a file whose package has this number, so that files of one run do not meet. */
export function hostileBody(at: number): fc.Arbitrary<string> {
  return fc
    .record({
      syntax: fc.constantFrom('syntax = "proto3";', 'syntax = "proto2";'),
      head: comment,
      scopes: fc.array(fc.constantFrom("class", "constructor", "default", "prototype", "v1"), { maxLength: 2 }),
      named: names(17),
      methods: names(6),
      reasons: fc.uniqueArray(fc.constantFrom("CONSTRUCTOR", "NEW", "TO_STRING", "THEN", "DEFAULT", "A_1", "PROTO"), {
        minLength: 3,
        maxLength: 3,
      }),
      comments: fc.array(comment, { minLength: 24, maxLength: 24 }),
      texts: fc.array(hostileText, { minLength: 12, maxLength: 12 }),
      kinds: fc.array(fc.constantFrom(...scalars), { minLength: 6, maxLength: 6 }),
      streams: fc.array(fc.constantFrom(...shapes), { minLength: 6, maxLength: 6 }),
      deprecated: fc.boolean(),
    })
    .map(({ syntax, head, scopes, named, methods, reasons, comments, texts, kinds, streams, deprecated }) => {
      const [types, fields, values] = [named.slice(0, 8), named.slice(8, 14), named.slice(14)];
      const isOld = syntax.includes("proto2");
      const scope = [`h${at}`, ...scopes].join(".");
      const [first = "", second = "", third = "", holder = "", choice = "", service = "", other = "", nested = ""] =
        types;
      const type = (name: string): string => `.${scope}.${name}`;
      const said = (place: number): string => comments[place % comments.length]!;
      const text = (place: number): string => quoted(texts[place % texts.length]!);
      const optional = isOld ? "optional " : "";
      const initial = (kind: string): string =>
        isOld && kind === "string"
          ? `, default = ${text(1)}`
          : isOld && kind === "bytes"
            ? `, default = ${text(2)}`
            : "";
      const rpcs = methods.map((name, place) => {
        const [up, down] = streams[place]!;
        const isTopic = place === 0;
        const options = [
          isTopic ? `option (raceway.v1.channel).topic = { address: "h${at}/{${fields[0]!}}" };` : "",
          place < 3
            ? `option (raceway.v1.channel).errors = { reason: "${reasons[place]!}" code: ABORTED detail: "${type(second)}" message: ${text(3 + place)} };`
            : "",
          place === 4
            ? `option (raceway.v1.policy) = { audit: ${quoted(visible(texts[6]!))} auth: { require: { policy: ${quoted(visible(texts[7]!))} roles: ${quoted(visible(texts[8]!))} } } };`
            : "",
          place === 5 && deprecated ? "option deprecated = true;" : "",
        ];
        const signature = isTopic
          ? `rpc ${name}(${type(first)}) returns (stream ${type(second)})`
          : `rpc ${name}(${up}${type(first)}) returns (${down}${type(second)})`;
        return `${said(place)}  ${signature} { ${options.join(" ")} }`;
      });
      return `${head}${syntax}
${said(20)}package ${scope};
import "raceway/v1/options.proto";
${said(21)}
${said(6)}message ${first} {
  ${said(7)}  ${optional}string ${fields[0]!} = 1;
  ${fields
    .slice(1)
    .map(
      (name, place) =>
        `${said(8 + place)}  ${optional}${kinds[place]!} ${name} = ${place + 2} [json_name = ${quoted(`j${place}${texts[place]!.replaceAll(/^\[|\0/g, "")}`)}${initial(kinds[place]!)}];`,
    )
    .join("\n  ")}
}
${said(13)}message ${second} {
  ${said(14)}  repeated ${type(first)} ${fields[1]!} = 1;
  ${said(15)}  map<string, ${type(third)}> ${fields[2]!} = 2;
  oneof ${fields[3]!} { string ${fields[4]!} = 3; ${type(holder)}.${choice} ${fields[5]!} = 4; }
}
${said(16)}message ${third} { message ${nested} { message ${first} { ${optional}int32 ${fields[0]!} = 1; } } ${optional}${nested} ${fields[0]!} = 1; }
message ${holder} {
  ${said(17)}  enum ${choice} { ${said(18)} ${values[0]!} = 0; ${said(19)} ${values[1]!} = 1; ${values[2]!} = -5; }
}
${said(22)}service ${service} {
  ${rpcs.join("\n  ")}
}
${said(23)}service ${other} { rpc ${methods[0]!}(${type(third)}) returns (${type(third)}.${nested}); }
`;
    });
}

/** Names of files that every system takes, and that mean something to shells, to URLs, to regular expressions or to imports. */
const fileNames = [
  `it's \`\${x}\``,
  "a,b=c",
  "-o",
  "$&",
  "__proto__",
  "constructor",
  "index",
  "package.json",
  "x.contract",
  "ünïcode",
  "𝕳",
  "@scope",
  "~",
  "(a)",
  "[b]",
  "!",
  "a b",
  "&&",
  "x;y",
  "...x",
];

/** So many files, each of a package of its own, in folders that are odd, too. */
export function hostileFiles(count: number): fc.Arbitrary<readonly HostileFile[]> {
  return fc
    .tuple(
      ...Array.from({ length: count }, (_, at) =>
        fc.tuple(hostileBody(at), fc.constantFrom(...fileNames), fc.constantFrom(...fileNames)),
      ),
    )
    .map((files) =>
      files.map(([text, folder, name], at) => ({
        path: `${folder}${at}/${name}.proto`,
        text,
      })),
    );
}
