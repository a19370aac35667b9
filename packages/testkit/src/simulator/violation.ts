// What the checker says: which promise was broken, by whom, how.

/** The promises that a world is held to. */
export const rules = {
  order: "a message was lost, repeated or reordered",
  truth: "a reply or a message is not what was sent",
  once: "a handler ran more than once for what was asked once",
  excuse: "a call failed with an error for which there was no reason",
  counts: "the two sides of a session count differently",
  ack: "what was received is not acknowledged",
  protocol: "one honest side accuses the other of breaking the rules",
  credit: "a sender waits for credit that its reader has given",
  late: "something came later than it had to",
  hung: "something never ends",
  memory: "more is held in memory than the limits allow",
  rest: "something goes on though nothing is left to do",
  topic: "a topic skips, repeats or reorders events, or reaches no end",
  signal: "the newest signal of a key never arrives",
  silent: "a promise was rejected and nobody looked",
} as const;
export type Rule = keyof typeof rules;

export class Violation extends Error {
  readonly rule: Rule;
  constructor(rule: Rule, detail: string) {
    super(`${rule}: ${rules[rule]}: ${detail}`);
    this.rule = rule;
  }
}
