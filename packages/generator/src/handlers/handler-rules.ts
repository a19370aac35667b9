// What handlers have to fulfil: one entry per rule that a finding of `raceway check` can name. `docs/handlers.md` is held against it by a test.

/** Names are permanent; a retired rule stays, marked. */
export const handlerRules = {
  handler_missing: "Each channel that is no topic and no state has a handler.",
  handler_unknown: "A handler is of a channel that the schema has, and that needs one.",
  handler_kind: "A handler streams where its channel does, and nowhere else.",
  handler_type: "A handler takes and gives what the schema says.",
  handlers_unreadable: "Handlers are written so that they can be found, and checked, without running them.",
  service_unimplemented: "Each service has handlers.",
  type_error: "With --types, files with handlers compile.",
} as const;

export type HandlerRule = keyof typeof handlerRules;
