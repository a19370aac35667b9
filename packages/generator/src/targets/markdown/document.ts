// A page of reference in Markdown of one schema file: services, channels, messages and enums.
import type {
  ChannelModel,
  EnumDeclaration,
  FieldModel,
  FileModel,
  MessageDeclaration,
  Model,
  ServiceModel,
} from "@raceway/core/target";
import { documentPath } from "../../output-path.ts";
import { declaredIn } from "../declared.ts";

/** Undefined if the file declares nothing. */
export function markdownPage(model: Model, file: FileModel): string | undefined {
  const declared = declaredIn(model);
  const messages = declared.messagesOf(file.path);
  const enums = declared.enumsOf(file.path);
  if (file.services.length + messages.length + enums.length === 0) return undefined;
  const blocks = [
    `# ${code(file.package === "" ? file.path : file.package)}`,
    `From ${code(file.path)}.`,
    ...file.services.flatMap(serviceBlocks),
    ...(messages.length === 0 ? [] : ["## Messages", ...messages.flatMap(messageBlocks)]),
    ...(enums.length === 0 ? [] : ["## Enums", ...enums.flatMap(enumBlocks)]),
  ];
  return `${blocks.filter((block) => block !== "").join("\n\n")}\n`;

  function serviceBlocks(service: ServiceModel): readonly string[] {
    return [
      `## ${code(service.name)}`,
      said(service),
      ...service.channels.flatMap((channel) => [
        `### ${code(channel.name)}`,
        said(channel),
        factsOf(channel),
        errorsOf(channel),
      ]),
    ];
  }

  function factsOf(channel: ChannelModel): string {
    const { contract, request, response, shape } = channel;
    const streams = (streamed: boolean, typeName: string): string => (streamed ? "stream of " : "") + link(typeName);
    const { history } = contract;
    const kept = [
      history?.maxEvents !== undefined && `${history.maxEvents} events`,
      history?.maxBytes !== undefined && `${history.maxBytes} bytes`,
      history?.maxAgeMs !== undefined && `${history.maxAgeMs} ms`,
    ].filter((one) => one !== false);
    const facts: readonly (readonly [string, string | undefined])[] = [
      ["kind", contract.kind],
      ["path", code(channel.path)],
      ["request", streams(shape === "client_streaming" || shape === "bidi_streaming", request.typeName)],
      ["response", streams(shape === "server_streaming" || shape === "bidi_streaming", response.typeName)],
      ["address", contract.address && code(contract.address)],
      ["history", kept.length === 0 ? undefined : kept.join(", ")],
      ["may be sent again", contract.idempotency],
      [
        "may be kept",
        contract.cache &&
          `${contract.cache.maxAgeMs} ms, ${contract.cache.scope === "public" ? "for all who may make the call" : "for its own principal"}`,
      ],
      ["timeout", contract.timeoutMs === undefined ? undefined : `${contract.timeoutMs} ms`],
      ["largest message", contract.maxMessageBytes === undefined ? undefined : `${contract.maxMessageBytes} bytes`],
      ["transports", contract.transports?.allow?.map(code).join(", ")],
      ["not over", contract.transports?.deny?.map(code).join(", ")],
    ];
    return table(
      ["", ""],
      facts.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
    );
  }

  function errorsOf({ errors }: ChannelModel): string {
    if (errors.length === 0) return "";
    const rows = errors.map(({ reason, code: status, message, detail }) => [
      code(reason),
      code(status),
      detail === undefined ? "" : link(detail.typeName),
      cell([message === reason ? "" : text([message])]),
    ]);
    return table(["error", "code", "detail", ""], rows);
  }

  function messageBlocks(message: MessageDeclaration): readonly string[] {
    const rows = message.fields.map((field) => [
      code(field.name),
      String(field.number),
      typeOf(field),
      cell([
        field.deprecated ? "**Deprecated.**" : "",
        field.presence === "required" ? "Required." : "",
        field.oneof === undefined ? "" : `One of ${code(field.oneof)}.`,
        text(field.comment),
      ]),
    ]);
    return [
      anchored(message.typeName, message.name),
      said(message),
      rows.length === 0 ? "No fields." : table(["field", "number", "type", ""], rows),
    ];
  }

  function enumBlocks(one: EnumDeclaration): readonly string[] {
    const rows = one.values.map((value) => [
      code(value.name),
      String(value.number),
      cell([value.deprecated ? "**Deprecated.**" : "", text(value.comment)]),
    ]);
    return [anchored(one.typeName, one.name), said(one), table(["value", "number", ""], rows)];
  }

  function typeOf({ type, cardinality, key, presence, oneof }: FieldModel): string {
    const value = type.kind === "scalar" ? code(type.scalar) : link(type.typeName);
    if (cardinality === "list") return `list of ${value}`;
    if (cardinality === "map") return `map of ${code(key!)} to ${value}`;
    return presence === "explicit" && type.kind !== "message" && oneof === undefined ? `optional ${value}` : value;
  }

  /** To where a type is explained, if that is a page of this run. */
  function link(typeName: string): string {
    const home = (declared.messages.get(typeName) ?? declared.enums.get(typeName))?.file;
    if (home === undefined || !declared.files.has(home)) return code(typeName);
    return `[${code(typeName)}](${home === file.path ? "" : relativePage(file.path, home)}#${typeName})`;
  }
}

function relativePage(from: string, to: string): string {
  const up = from
    .split("/")
    .slice(1)
    .map(() => "../");
  return documentPath([...up, to].join(""), ".md")
    .split("/")
    .map(encoded)
    .join("/");
}

/** Brackets and quotes, too: they would end a link. */
function encoded(name: string): string {
  return encodeURIComponent(name).replaceAll(/[()'*!]/g, (sign) => `%${sign.charCodeAt(0).toString(16)}`);
}

function anchored(typeName: string, name: string): string {
  return `<a id="${typeName}"></a>\n\n### ${code(name)}`;
}

function said({ comment, deprecated }: { readonly comment: readonly string[]; readonly deprecated: boolean }): string {
  return [deprecated ? "**Deprecated.**" : "", text(comment)].filter((one) => one !== "").join("\n\n");
}

/**
 * A comment as it is meant, lists and emphasis too, but no markup of HTML, no links, no headings and no fences: what is open at its end would
 * take the rest of the page along.
 */
function text(lines: readonly string[]): string {
  return lines
    .join("\n")
    .replaceAll(/[\u0000-\u0009\u000b-\u001f\u2028\u2029]/g, " ") // oxlint-disable-line no-control-regex -- control characters are what it is about
    .replaceAll("\\", "\\\\")
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll(/[[\]]/g, String.raw`\$&`)
    .replaceAll(/^(\s*)(#|```|~~~|=+\s*$|-+\s*$)/gm, String.raw`$1\$2`);
}

function cell(parts: readonly string[]): string {
  return parts
    .filter((one) => one !== "")
    .join(" ")
    .replaceAll("\n", " ")
    .replaceAll("|", String.raw`\|`);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

/** Names, paths and addresses have no backquote but in names of files. */
function code(name: string): string {
  return `\`${name.replaceAll(/[`|\n\r\u2028\u2029]/g, "?")}\``;
}
