// Where services are implemented: object literals and classes, found by what the type checker expects of them.
import {
  type CallExpression,
  type Expression,
  type NewExpression,
  Node,
  type ObjectLiteralExpression,
  type Project,
  type SourceFile,
  type Symbol as CodeSymbol,
  SyntaxKind,
  type Type,
} from "ts-morph";
import { isOurs } from "../../output/header.ts";
import { type AnyClass, baseOf, classIn, instanceType, isAbstract } from "./classes.ts";
import type { CodePlace, HandlerSite, Slot, Unreadable, WantedService } from "./code-facts.ts";
import { declarationsOf, returnedBy, unwrapped, valueOf } from "./declarations.ts";
import { bracesOf, indentAt } from "./file-facts.ts";
import { wrongHandlers } from "./wrong-handlers.ts";

/** Calls between an argument and the code that makes it, at most. */
const DEPTH = 8;

export class SiteFinder {
  readonly sites: HandlerSite[] = [];
  readonly unreadable: Unreadable[] = [];
  readonly #services: readonly WantedService[];
  readonly #expected = new Map<WantedService, Type | undefined>();
  /** What was looked at, and for which services: one object may be the handlers of several. */
  readonly #seen = new Map<Node, Set<WantedService>>();
  readonly #project: Project;

  constructor(project: Project, services: readonly WantedService[]) {
    this.#project = project;
    this.#services = services;
  }

  /** Adds what a file has. */
  look(file: SourceFile): void {
    file.forEachDescendant((node) => {
      if (Node.isObjectLiteralExpression(node)) {
        for (const service of isSpread(node) ? [] : this.#expectedAt(node)) this.#addLiteral(node, service);
      } else if (Node.isCallExpression(node) || Node.isNewExpression(node)) {
        for (const [argument, service] of this.#handlersGiven(node)) this.#follow(argument, service);
      } else if (Node.isClassDeclaration(node) || Node.isClassExpression(node)) {
        for (const service of this.#implementedBy(node)) this.#addClass(node, service);
      }
    });
  }

  #handlersGiven(call: CallExpression | NewExpression): readonly (readonly [Expression, WantedService])[] {
    const given = call.getArguments().filter((one) => Node.isExpression(one));
    const served = this.#served(call, given);
    return given.flatMap((argument, at) => {
      const services = at === 1 && served !== undefined ? [served] : this.#expectedAt(argument);
      return services.map((service) => [argument, service] as const);
    });
  }

  /** `serve(roomService, …)`, also where types are not known, as in JavaScript. */
  #served(call: CallExpression | NewExpression, [first]: readonly Expression[]): WantedService | undefined {
    const callee = call.getExpression();
    const name = Node.isPropertyAccessExpression(callee) ? callee.getName() : callee.getText();
    return name === "serve" && first !== undefined ? this.#definitionOf(first, DEPTH) : undefined;
  }

  #definitionOf(given: Node, depth: number): WantedService | undefined {
    const node = unwrapped(given);
    if (depth === 0) return undefined;
    if (Node.isObjectLiteralExpression(node)) {
      for (const one of node.getProperties()) {
        const service = Node.isSpreadAssignment(one) && this.#definitionOf(one.getExpression(), depth - 1);
        if (service) return service;
      }
      return undefined;
    }
    for (const declaration of declarationsOf(node)) {
      if (!Node.isVariableDeclaration(declaration)) continue;
      const service = this.#declaredBy(declaration, declaration.getName(), "definition");
      if (service !== undefined) return service;
      const initializer = declaration.getInitializer();
      if (initializer !== undefined) return this.#definitionOf(initializer, depth - 1);
    }
    return undefined;
  }

  #expectedAt(node: Expression): readonly WantedService[] {
    const type = node.getContextualType();
    const parts = type?.isIntersection() === true ? type.getIntersectionTypes() : type === undefined ? [] : [type];
    return [...new Set(parts.flatMap((part) => this.#serviceOf(part) ?? []))];
  }

  #serviceOf(type: Type): WantedService | undefined {
    const present = type.getNonNullableType();
    const parts = present.isUnion() ? present.getUnionTypes() : [present];
    for (const part of parts) {
      for (const symbol of [part.getAliasSymbol(), part.getSymbol()]) {
        for (const declaration of symbol?.getDeclarations() ?? []) {
          const service = this.#declaredBy(declaration, symbol!.getName(), "handlers");
          if (service !== undefined) return service;
        }
      }
      if (!part.isInterface()) continue;
      for (const base of part.getBaseTypes()) {
        const service = this.#serviceOf(base);
        if (service !== undefined) return service;
      }
    }
    return undefined;
  }

  #declaredBy(declaration: Node, name: string, what: "handlers" | "definition"): WantedService | undefined {
    const path = declaration.getSourceFile().getFilePath();
    const built = /^(.*)\.d\.[cm]?ts$/.exec(path)?.[1];
    return this.#services.find(
      (one) => one[what] === name && (one.serverFile === path || built?.endsWith(`/${one.serverModule}`) === true),
    );
  }

  /** Services of its own `implements`, and those of its bases that leave something to it. */
  #implementedBy(given: AnyClass): readonly WantedService[] {
    const found: WantedService[] = [];
    const seen = new Set<AnyClass>();
    for (let at: AnyClass | undefined = given; at !== undefined && !seen.has(at);) {
      seen.add(at);
      for (const clause of at.getImplements()) {
        const service = this.#serviceOf(clause.getType());
        if (service !== undefined) found.push(service);
      }
      const base: AnyClass | undefined = baseOf(at);
      at = base?.isAbstract() === true ? base : undefined;
    }
    return given.isAbstract() ? [] : found;
  }

  /** From an argument to the code that it comes from. */
  #follow(given: Node, service: WantedService, depth = DEPTH): void {
    const node = unwrapped(given);
    if (Node.isObjectLiteralExpression(node)) return this.#addLiteral(node, service);
    if (Node.isConditionalExpression(node)) {
      this.#follow(node.getWhenTrue(), service, depth);
      return this.#follow(node.getWhenFalse(), service, depth);
    }
    if (!this.#isNew(node, service)) return;
    if (depth === 0) return this.#addValue(node, service);
    if (Node.isThisExpression(node)) {
      const around = node.getFirstAncestor((one) => Node.isClassDeclaration(one) || Node.isClassExpression(one));
      return around === undefined ? this.#addValue(node, service) : this.#addClass(around, service);
    }
    if (Node.isNewExpression(node)) {
      const callee = unwrapped(node.getExpression());
      const made = classIn([callee, ...declarationsOf(callee)]);
      return made === undefined ? this.#addValue(node, service) : this.#addClass(made, service);
    }
    const sources = declarationsOf(Node.isCallExpression(node) ? node.getExpression() : node)
      .flatMap((one) => (Node.isCallExpression(node) ? returnedBy(one) : valueOf(one)))
      .filter(isUsers);
    if (sources.length === 0) return this.#addValue(node, service);
    for (const source of sources) this.#follow(source, service, depth - 1);
  }

  #isNew(node: Node, service: WantedService): boolean {
    const known = this.#seen.get(node) ?? new Set();
    this.#seen.set(node, known);
    return !known.has(service) && known.add(service).size > 0;
  }

  #addLiteral(node: ObjectLiteralExpression, service: WantedService): void {
    if (!this.#isNew(node, service)) return;
    const own = node.getProperties().flatMap((one) => {
      const named = Node.isSpreadAssignment(one) ? undefined : one.getNameNode();
      const name = named && nameOf(named);
      return name === undefined ? [] : [{ name, place: placeOf(named!) }];
    });
    const text = node.getSourceFile().getFullText();
    const braces = bracesOf(node, node.getProperties(), text);
    this.#add(node, service, node.getType(), {
      place: placeOf(labelOf(node)),
      own,
      slot: {
        form: "object",
        ...braces,
        base: indentAt(text, oneLine(node) ? node.getStart() : braces.close),
        ...spacingOf(node.getProperties(), text),
        typed: node.getContextualType() !== undefined,
      },
    });
  }

  #addClass(node: AnyClass, service: WantedService): void {
    if (!this.#isNew(node, service)) return;
    const text = node.getSourceFile().getFullText();
    const members = node.getMembersWithComments().filter((one) => !Node.isCommentNode(one));
    const open = node.getFirstChildByKindOrThrow(SyntaxKind.OpenBraceToken).getEnd();
    const braces = bracesOf(node, members, text, open);
    const methods = node.getInstanceMethods().filter((one) => !one.isAbstract() && !one.getName().startsWith("#"));
    this.#add(node, service, instanceType(node), {
      place: placeOf(node.getNameNode() ?? node.getFirstChildByKindOrThrow(SyntaxKind.ClassKeyword)),
      // A class has methods of its own; those that take a call's context were handlers.
      own: methods
        .filter((one) =>
          one.getParameters().some((parameter) => /\b(?:Call|Handler)Context\b/.test(parameter.getText())),
        )
        .map((one) => ({ name: nameOf(one.getNameNode()) ?? "", place: placeOf(one.getNameNode()) })),
      slot: {
        form: "class",
        ...braces,
        base: indentAt(text, oneLine(node) ? node.getStart() : braces.close),
        ...spacingOf(members, text),
        typed: false,
      },
    });
  }

  /** Only its type is known, and nothing can be added. What is declared as handlers is somebody else's to make. */
  #addValue(node: Node, service: WantedService): void {
    const type = node.getType();
    if (this.#serviceOf(type) !== undefined && isParameter(node)) return;
    this.#add(node, service, type, { place: placeOf(node), own: [] });
  }

  #add(
    node: Node,
    service: WantedService,
    type: Type,
    { place, own, slot }: { place: CodePlace; own: HandlerSite["unknown"]; slot?: Slot },
  ): void {
    if (type.isAny()) {
      const why = "its type is any, so nobody can tell which handlers it has";
      this.unreadable.push({ place, why, services: [service] });
      return;
    }
    const handled = [...service.channels].filter(([, { handled: needed }]) => needed).map(([name]) => name);
    const present = (name: string): CodeSymbol | undefined => {
      const symbol = type.getProperty(name) ?? type.getApparentProperty(name);
      // Every object has a toString; it is no handler.
      const inherited =
        symbol?.getDeclarations().every((one) => one.getSourceFile().getFilePath().includes("/lib.")) ?? true;
      // What a base leaves to its classes is not there, if the class has none.
      const left = slot?.form === "class" && symbol?.getDeclarations().every(isAbstract) === true;
      return symbol === undefined || symbol.isOptional() || inherited || left ? undefined : symbol;
    };
    const expected = this.#expectedType(service);
    this.sites.push({
      service,
      place,
      missing: handled.filter((name) => present(name) === undefined),
      unknown: own.filter(({ name }) => service.channels.get(name)?.handled !== true),
      wrong:
        expected === undefined
          ? []
          : wrongHandlers(node, place, service, (name) => [present(name), expected.getProperty(name)], this.#project),
      ...(slot !== undefined && { slot }),
    });
  }

  #expectedType(service: WantedService): Type | undefined {
    if (!this.#expected.has(service)) {
      const file =
        this.#project.getSourceFile(service.serverFile) ??
        this.#project.addSourceFileAtPathIfExists(service.serverFile);
      this.#expected.set(service, file?.getInterface(service.handlers)?.getType());
    }
    return this.#expected.get(service);
  }
}

export function placeOf(node: Node): CodePlace {
  return { file: node.getSourceFile().getFilePath(), start: node.getStart(), end: node.getEnd() };
}

/** What is spread is a part of handlers only. */
function isSpread(literal: Node): boolean {
  let node: Node | undefined = literal.getParent();
  while (
    node !== undefined &&
    (Node.isParenthesizedExpression(node) ||
      Node.isConditionalExpression(node) ||
      Node.isBinaryExpression(node) ||
      Node.isAsExpression(node) ||
      Node.isSatisfiesExpression(node))
  )
    node = node.getParent();
  return Node.isSpreadAssignment(node);
}

/** Written by people, and not by the generator or in a package. */
function isUsers(node: Node): boolean {
  const file = node.getSourceFile();
  return (
    !file.isFromExternalLibrary() && !file.isDeclarationFile() && !isOurs(file.getFilePath(), file.getFullText(), false)
  );
}

function isParameter(node: Node): boolean {
  return declarationsOf(node).some((one) => Node.isParameterDeclaration(one) || Node.isBindingElement(one));
}

/** The variable that holds a literal, or the definition that it is served with, or its brace. */
function labelOf(node: ObjectLiteralExpression): Node {
  let around: Node | undefined = node.getParent();
  while (around !== undefined && unwrapped(around) === node && around !== node) around = around.getParent();
  if (Node.isVariableDeclaration(around)) return around.getNameNode();
  if (
    Node.isCallExpression(around) &&
    around.getArguments().length > 1 &&
    unwrapped(around.getArguments()[0]!) !== node
  )
    return around.getArguments()[0]!;
  return node.getFirstChildByKindOrThrow(SyntaxKind.OpenBraceToken);
}

/** Without quotes and brackets; undefined for what is only known at run time. */
function nameOf(node: Node): string | undefined {
  if (Node.isIdentifier(node)) return node.getText();
  if (Node.isStringLiteral(node) || Node.isNoSubstitutionTemplateLiteral(node)) return node.getLiteralValue();
  return Node.isComputedPropertyName(node) ? nameOf(node.getExpression()) : undefined;
}

function oneLine(node: Node): boolean {
  return node.getStartLineNumber() === node.getEndLineNumber();
}

function spacingOf(members: readonly Node[], text: string): Pick<Slot, "spaced"> {
  const [before, last] = members.slice(-2);
  if (before === undefined || last === undefined) return {};
  return { spaced: /\n[ \t]*\r?\n/.test(text.slice(before.getEnd(), last.getStart(true))) };
}
