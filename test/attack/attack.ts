// One attack: what it is called, and how it is tried.

export interface Attack {
  readonly name: string;
  /** Tells what the attacker got. Throws if he got what he wanted. */
  run(): Promise<string>;
}

class Succeeded extends Error {}

export function holds(condition: boolean, what: string): asserts condition {
  if (!condition) throw new Succeeded(what);
}
