// Classes, declared or in expressions: what they extend, and what an instance is.
import { type ClassDeclaration, type ClassExpression, Node, type Type } from "ts-morph";
import { declarationsOf, unwrapped } from "./declarations.ts";

export type AnyClass = ClassDeclaration | ClassExpression;

export function classIn(declarations: readonly Node[]): AnyClass | undefined {
  for (const one of declarations) {
    if (Node.isClassDeclaration(one) || Node.isClassExpression(one)) return one;
    const value = Node.isVariableDeclaration(one) ? one.getInitializer() : undefined;
    if (value !== undefined && Node.isClassExpression(value)) return value;
  }
  return undefined;
}

/** Also of a class in an expression. */
export function baseOf(node: AnyClass): AnyClass | undefined {
  const base = node.getExtends()?.getExpression();
  return base === undefined ? undefined : classIn([unwrapped(base), ...declarationsOf(unwrapped(base))]);
}

/** What `new` gives; of a class in an expression, its own type is that of the constructor. */
export function instanceType(node: AnyClass): Type {
  return node.getSymbol()?.getDeclaredType() ?? node.getType();
}

/** What a class leaves to those that extend it. */
export function isAbstract(declaration: Node): boolean {
  return Node.isAbstractable(declaration) && declaration.isAbstract();
}
