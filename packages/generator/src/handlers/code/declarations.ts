// From an expression to where its value was written: behind assertions, names, imports and functions.
import { Node } from "ts-morph";

/** What a value was, before it was said to be of a type. */
export function unwrapped(given: Node): Node {
  let node = given;
  while (
    Node.isParenthesizedExpression(node) ||
    Node.isAsExpression(node) ||
    Node.isSatisfiesExpression(node) ||
    Node.isNonNullExpression(node) ||
    Node.isAwaitExpression(node)
  )
    node = node.getExpression();
  return node;
}

/** Of a name, through imports and re-exports. */
export function declarationsOf(node: Node): readonly Node[] {
  const symbol = node.getSymbol();
  return (symbol?.getAliasedSymbol() ?? symbol)?.getDeclarations() ?? [];
}

export function valueOf(declaration: Node): readonly Node[] {
  if (
    Node.isVariableDeclaration(declaration) ||
    Node.isPropertyDeclaration(declaration) ||
    Node.isPropertyAssignment(declaration)
  ) {
    const value = declaration.getInitializer();
    return value === undefined ? [] : [value];
  }
  return Node.isExportAssignment(declaration) ? [declaration.getExpression()] : [];
}

export function returnedBy(declaration: Node): readonly Node[] {
  const made = valueOf(declaration)[0] ?? declaration;
  if (Node.isArrowFunction(made) && !Node.isBlock(made.getBody())) return [made.getBody()];
  if (
    !Node.isArrowFunction(made) &&
    !Node.isFunctionDeclaration(made) &&
    !Node.isFunctionExpression(made) &&
    !Node.isMethodDeclaration(made)
  )
    return [];
  const returned: Node[] = [];
  made.forEachDescendant((node, traversal) => {
    if (Node.isFunctionLikeDeclaration(node) || Node.isFunctionExpression(node) || Node.isArrowFunction(node))
      traversal.skip();
    else if (Node.isReturnStatement(node) && node.getExpression() !== undefined)
      returned.push(node.getExpressionOrThrow());
  });
  return returned;
}
