// What a new version of a schema must not do to whom the old one knows: one entry per rule. `docs/breaking.md` is held against it by a test.

/** Each includes those before it. */
export const breakingLevels = ["wire", "source", "behaviour"] as const;

/**
 * "wire": programs that were built with the old schema and the new server, or the other way round, do not understand each other.
 * "source": code that was written for the old schema does not compile with the new. "behaviour": both work, but not as before.
 */
export type BreakingLevel = (typeof breakingLevels)[number];

/** Names are permanent; a retired rule stays, marked. */
export const breakingRules = {
  wire_changed: { level: "wire", sentence: "Messages and methods stay readable, in binary and in JSON." },
  channel_removed: { level: "wire", sentence: "A channel stays under its service and name." },
  source_changed: { level: "source", sentence: "What generated code declares stays declared, and of the same type." },
  channel_kind: { level: "behaviour", sentence: "A channel stays of its kind." },
  address_changed: { level: "behaviour", sentence: "The address of a topic, a state or a queue stays the same." },
  key_changed: { level: "behaviour", sentence: "The field by which messages replace each other stays the same." },
  history_shortened: { level: "behaviour", sentence: "A history keeps as much as before, and for as long." },
  conflation_added: { level: "behaviour", sentence: "Events that subscribers got one by one are not left out." },
  idempotency_weakened: { level: "behaviour", sentence: "What could be sent again can still be." },
  cache_widened: { level: "behaviour", sentence: "Answers are not kept for longer, nor given to more callers." },
  transport_removed: { level: "behaviour", sentence: "Transports that could carry a channel still can." },
  limit_lowered: { level: "behaviour", sentence: "Sizes, times, numbers and rates that were allowed still are." },
  auth_tightened: { level: "behaviour", sentence: "Who was let in is let in." },
  validation_tightened: { level: "behaviour", sentence: "What the rules of Protovalidate let pass, they let pass." },
  error_removed: { level: "behaviour", sentence: "A declared error stays declared." },
  error_changed: { level: "behaviour", sentence: "A declared error keeps its code and the message of its detail." },
} as const;

export type BreakingRule = keyof typeof breakingRules;

export function includesLevel(asked: BreakingLevel, level: BreakingLevel): boolean {
  return breakingLevels.indexOf(level) <= breakingLevels.indexOf(asked);
}
