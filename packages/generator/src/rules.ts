// What a schema has to fulfil: one entry per rule that a finding can name. `docs/schema.md` is held against it by a test.

/** Names are permanent; a retired rule stays, marked. */
export const rules = {
  // Found by the compiler
  schema_invalid: "The schema has to be valid protobuf.",
  import_missing: "An imported file has to exist in one of the proto paths.",
  import_needed: "The file that defines a name has to be imported.",
  name_unknown: "A type has to be declared, here or in an imported file.",
  option_unknown: "An option, a field of an option and a value of it have to exist.",
  option_mismatch: "The value of an option has to fit its type.",
  option_repeated: "An option that excludes another cannot be given beside it.",
  // Channels
  kind_shape: "The kind of a channel has to agree with who streams.",
  address_missing: "A topic or a state whose request has fields needs an address; so does a queue.",
  address_invalid: "An address is made of segments of letters, digits and . _ ~ -, or of one {field}, divided by /.",
  address_field_unknown: "An address can only name fields of the request.",
  address_field_type: "A field in an address has to be a single string, integer or enum outside of a oneof.",
  address_field_sensitive: "A sensitive field cannot be part of an address or a key, for these are logged.",
  address_duplicate: "Addresses of one package have to be distinguishable.",
  history_invalid: "A history needs at least one limit, and limits that do not contradict each other.",
  conflation_key: "The key of a conflation has to be a single string, bool, integer or enum of the streamed message.",
  key_duplicate: "A message has at most one field that is marked as its key.",
  key_type: "A field that is marked as key has to be a single string, bool, integer or enum.",
  retries_unsafe: "Only a unary call with an idempotency_level can be sent again.",
  cache_invalid: "Only the answer of a unary call without side effects can be kept, for a year at most.",
  duration_invalid: "A duration has to be positive, whole milliseconds, and at most ten years.",
  size_invalid: "A size has to be more than zero, and small enough to be held in memory.",
  size_conflict: "A window and a history have to have room for the largest message of the channel.",
  transport_invalid: "Transports are named in kebab-case, once per list.",
  transport_none: "At least one transport has to be left.",
  option_inert: "An option that clients and servers do not act on yet should not be relied on.",
  // Declared errors
  error_reason: "A reason is at most 63 capital letters and digits, words divided by _.",
  error_code: "An error has a code, and not OK.",
  error_detail: "The detail of an error is a message of the file or of one that it imports.",
  error_duplicate: "A channel declares a reason once, and it means the same in all channels of a service.",
  // Policy
  auth_invalid: "A rule of auth says `public: true` or `require`, and the entries of its lists are names, each once.",
  policy_name: "The name of a policy, and of what is audited, is not empty and has no blank at an end.",
  rate_limit_invalid: "A rate limit needs a limit and a window of more than zero.",
  rate_limit_burst: "A burst below the limit holds back callers who keep to the limit.",
  rate_limit_redundant:
    "Each rate limit of a channel has to refuse something that the others of its scope let through.",
  policy_misplaced: "A limit on subscribers belongs to a topic or a state.",
  // Names and files
  name_collision: "Two names must not become the same name in TypeScript, nor the same file.",
  name_unusable: "A name has to be one that TypeScript takes, of a method, a message, an enum or a service.",
  output_outside: "Nothing is written outside of the output folder, nor under a name that not every system takes.",
  output_foreign: "A file that the generator did not write is never overwritten.",
  output_edited: "A generated file that is no longer needed is only deleted if nobody has changed it.",
  output_stale: "With --check, what is there has to be what the schemas give.",
} as const;

export type Rule = keyof typeof rules;
