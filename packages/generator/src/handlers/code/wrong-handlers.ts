// Handlers that take or give something else than their channel.
import { Node, type Project, type Symbol as CodeSymbol, type Type, ts } from "ts-morph";
import type { CodePlace, WantedService, WrongHandler } from "./code-facts.ts";

/** Lines of what the compiler says that are passed on from its end, where it says what does not fit in what is wrong; the first says that. */
const LAST = 2;

export function wrongHandlers(
  at: Node,
  site: CodePlace,
  service: WantedService,
  pairOf: (name: string) => readonly [CodeSymbol | undefined, CodeSymbol | undefined],
  project: Project,
): readonly WrongHandler[] {
  const checker = project.getTypeChecker().compilerObject;
  const found: WrongHandler[] = [];
  for (const [name, channel] of service.channels) {
    const [have, want] = channel.handled ? pairOf(name) : [];
    if (have === undefined || want === undefined) continue;
    const actual = have.getTypeAtLocation(at);
    const expected = want.getTypeAtLocation(at);
    if (checker.isTypeAssignableTo(actual.compilerType, expected.compilerType)) continue;
    const declaration = have.getDeclarations()[0];
    const own = declaration === undefined || declaration.getSourceFile().isDeclarationFile() ? undefined : declaration;
    const shape = shapeOf(actual, at);
    found.push({
      name,
      place: own === undefined ? site : nameIn(own),
      ...(shape?.takes !== undefined && shape.takes !== channel.takes && { takes: shape.takes }),
      ...(shape !== undefined &&
        channel.gives === "stream" &&
        shape.gives !== "stream" && { gives: "message" as const }),
      ...(shape?.gives === "stream" && channel.gives !== "stream" && { gives: "stream" as const }),
      detail: (own && said(own, project)) ?? `it is ${textOf(actual, at)}, and has to be ${textOf(expected, at)}`,
    });
  }
  return found;
}

/** Who streams, by the signature; undefined for what is no function. */
function shapeOf(
  type: Type,
  at: Node,
): { readonly takes?: "message" | "stream"; readonly gives: "message" | "stream" } | undefined {
  const signature = type.getCallSignatures()[0];
  if (signature === undefined) return undefined;
  const streams = (one: Type): boolean =>
    one.getProperties().some((property) => property.getName().startsWith("__@asyncIterator"));
  const taken = signature.getParameters()[0]?.getTypeAtLocation(at);
  return {
    ...(taken !== undefined &&
      !taken.isAny() &&
      !taken.isUnknown() && { takes: streams(taken) ? "stream" : "message" }),
    gives: streams(signature.getReturnType()) ? "stream" : "message",
  };
}

/** The compiler's own words about the lines of a member. */
function said(member: Node, project: Project): string | undefined {
  const diagnostics = project.getProgram().compilerObject.getSemanticDiagnostics(member.getSourceFile().compilerNode);
  const within = diagnostics.find(({ start = -1 }) => start >= member.getStart() && start < member.getEnd());
  return within && flat(within.messageText);
}

export function flat(message: string | ts.DiagnosticMessageChain): string {
  return ts
    .flattenDiagnosticMessageText(message, "\n")
    .split("\n")
    .filter((_, at, lines) => at === 0 || at >= lines.length - LAST)
    .map((line) => line.trim().replace(/\.$/, ""))
    .join(": ");
}

function textOf(type: Type, at: Node): string {
  return type.getText(at, ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope | ts.TypeFormatFlags.NoTruncation);
}

function nameIn(declaration: Node): CodePlace {
  const named = Node.hasName(declaration) ? declaration.getNameNode() : declaration;
  return { file: named.getSourceFile().getFilePath(), start: named.getStart(), end: named.getEnd() };
}
