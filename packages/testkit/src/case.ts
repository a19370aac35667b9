// Compliance cases as data: what a runner needs to know, and nothing of any runner.

/** Something that not every subject has. A fact about the subject, not a wish: a case whose need is not met is left out, and said so. */
export interface Need {
  /** For people, for example "a way to cut the connection". */
  readonly what: string;
  readonly met: boolean;
}

/** One promise of a contract. Holds if `run` resolves; otherwise the error says which rule was broken, and how. */
export interface Case {
  /** A sentence of behaviour; unique in its list. */
  readonly name: string;
  readonly needs?: Need;
  run(): Promise<void>;
}

/** A broken rule, in words for the author of the plugin. */
export class RuleBroken extends Error {
  override readonly name = "RuleBroken";
}

/** Throws {@link RuleBroken} unless the claim holds. */
export function require(claim: boolean, otherwise: string | (() => string)): asserts claim {
  if (!claim) throw new RuleBroken(typeof otherwise === "string" ? otherwise : otherwise());
}

/** Lets everything that is already under way come in: a few turns of the event loop, with room for sockets. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await nextTurn(3);
}

/** One turn of the event loop, or `ms` of them. */
export function nextTurn(ms = 0): Promise<void> {
  return new Promise((resolve) => void setTimeout(resolve, ms));
}
