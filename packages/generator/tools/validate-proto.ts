// Writes third-party/protovalidate/buf/validate/validate.proto from the descriptor in @bufbuild/protovalidate, whose package has no schema file: `node packages/generator/tools/validate-proto.ts`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  type DescExtension,
  type DescField,
  type DescMessage,
  type DescOneof,
  ScalarType,
  getOption,
  hasOption,
} from "@bufbuild/protobuf";
import { file_buf_validate_validate, predefined } from "@bufbuild/protovalidate/gen/buf/validate/validate_pb.js";

const file = file_buf_validate_validate;

const head = `// Copyright 2023-2026 Buf Technologies, Inc.
//
// Licensed under the Apache License, Version 2.0 (the "License");
// you may not use this file except in compliance with the License.
// You may obtain a copy of the License at
//
//      http://www.apache.org/licenses/LICENSE-2.0
//
// Unless required by applicable law or agreed to in writing, software
// distributed under the License is distributed on an "AS IS" BASIS,
// WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
// See the License for the specific language governing permissions and
// limitations under the License.

// The schema of Protovalidate (https://github.com/bufbuild/protovalidate), without its comments: written by
// packages/generator/tools/validate-proto.ts from the descriptor in the npm package @bufbuild/protovalidate. Not to be edited.
// What each rule means: https://protovalidate.com/reference/rules
`;

function* lines(): Generator<string> {
  yield head;
  yield 'syntax = "proto2";';
  yield `package ${file.proto.package};`;
  for (const path of file.proto.dependency) yield `import "${path}";`;
  const { goPackage, javaMultipleFiles, javaOuterClassname, javaPackage } = file.proto.options!;
  yield `option go_package = ${JSON.stringify(goPackage)};`;
  yield `option java_multiple_files = ${javaMultipleFiles};`;
  yield `option java_outer_classname = ${JSON.stringify(javaOuterClassname)};`;
  yield `option java_package = ${JSON.stringify(javaPackage)};`;
  for (const extension of file.extensions) {
    yield `extend ${extension.extendee.typeName} {`;
    yield* indented(field(extension));
    yield "}";
  }
  for (const one of file.enums) {
    yield `enum ${one.name} {`;
    yield* indented(one.values.map(({ name, number }) => `${name} = ${number};`));
    yield* indented(reserved(one.proto, true));
    yield "}";
  }
  for (const message of file.messages) yield* messageLines(message);
}

function* messageLines(message: DescMessage): Generator<string> {
  if (message.nestedMessages.length + message.nestedEnums.length + message.nestedExtensions.length > 0)
    throw new Error(`${message.typeName} has types within it, which this tool does not write.`);
  yield `message ${message.name} {`;
  for (const member of message.members) {
    if (member.kind === "oneof") yield* indented(oneof(member));
    else yield* indented(field(member));
  }
  for (const { start, end } of message.proto.extensionRange)
    yield `  extensions ${start} to ${end === 0x2000_0000 ? "max" : end - 1};`;
  yield* indented(reserved(message.proto, false));
  yield "}";
}

function* oneof(member: DescOneof): Generator<string> {
  yield `oneof ${member.name} {`;
  for (const each of member.fields) yield* indented(field(each));
  yield "}";
}

function* field(each: DescField | DescExtension): Generator<string> {
  const label = each.oneof === undefined ? (each.fieldKind === "list" ? "repeated " : "optional ") : "";
  const options: string[] = [];
  const { options: given, defaultValue } = each.proto;
  if (defaultValue !== "") throw new Error(`${each.toString()} has a default, which this tool does not write.`);
  if (given?.deprecated === true) options.push("deprecated = true");
  if (hasOption(each as DescField, predefined)) {
    for (const { id, message, expression } of getOption(each as DescField, predefined).cel)
      options.push(
        `(predefined).cel = {id: ${quoted(id)}${message === "" ? "" : `, message: ${quoted(message)}`}, expression: ${quoted(expression)}}`,
      );
  }
  const head = `${label}${typeName(each)} ${each.name} = ${each.number}`;
  if (options.length === 0) yield `${head};`;
  else {
    yield `${head} [`;
    yield* indented(options.map((option, at) => (at === options.length - 1 ? option : `${option},`)));
    yield "];";
  }
}

function typeName(each: DescField | DescExtension): string {
  if (each.message !== undefined) return `.${each.message.typeName}`;
  if (each.enum !== undefined) return `.${each.enum.typeName}`;
  return ScalarType[each.scalar as ScalarType].toLowerCase();
}

function* reserved(
  proto: {
    readonly reservedName: readonly string[];
    readonly reservedRange: readonly { readonly start: number; readonly end: number }[];
  },
  endIsInside: boolean,
): Generator<string> {
  for (const { start, end } of proto.reservedRange) {
    const last = endIsInside ? end : end - 1;
    yield last === start ? `reserved ${start};` : `reserved ${start} to ${last};`;
  }
  if (proto.reservedName.length > 0) yield `reserved ${proto.reservedName.map((name) => `"${name}"`).join(", ")};`;
}

/** As protobuf's text format has it: no escapes but those that JSON has, too. */
function quoted(text: string): string {
  return JSON.stringify(text);
}

function* indented(all: Iterable<string>): Generator<string> {
  for (const line of all) yield `  ${line}`;
}

const path = join(import.meta.dirname, "../../../third-party/protovalidate/buf/validate/validate.proto");
writeFileSync(path, `${[...lines()].join("\n")}\n`);
