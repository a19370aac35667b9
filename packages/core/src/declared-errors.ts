// Errors that a schema declares for a channel: how handlers make them, and how clients tell them apart.
import { type DescMessage, type MessageInitShape, type MessageShape, create, toBinary } from "@bufbuild/protobuf";
import { type Code, ConnectError } from "@connectrpc/connect";
import { encodeErrorInfo, encodeRetryInfo, errorInfo } from "./errors.ts";

/** One declared error; a constant in the generated `*.contract.ts`. */
export interface ErrorDeclaration<
  R extends string = string,
  D extends DescMessage | undefined = DescMessage | undefined,
> {
  /** `google.rpc.ErrorInfo.domain`: full name of the service. A reason means the same wherever it has the same domain. */
  readonly domain: string;
  /** `google.rpc.ErrorInfo.reason`, such as "ROOM_FULL". */
  readonly reason: R;
  readonly code: Code;
  /** What people are told unless the handler says more. */
  readonly message: string;
  /** The message of facts that comes along. */
  readonly detail: D;
}

/** The errors of one channel, by their names in TypeScript: "roomFull". */
export interface ErrorDeclarations {
  readonly [name: string]: ErrorDeclaration;
}

/** A declared error as a client sees it: the `ConnectError` that came, with what the schema knows of it. */
export interface DeclaredError<R extends string = string, M = unknown> extends ConnectError {
  readonly reason: R;
  /** Undefined if the schema declares none. */
  readonly detail: M;
}

/**
 * Any other failure of a call: what Raceway, its plugins or the network say, what a handler throws beside its declared errors, and
 * what a newer server declares and this client does not know yet.
 */
export interface UndeclaredError extends ConnectError {
  readonly reason?: undefined;
  readonly detail?: undefined;
}

/** What a failed call of a channel can be. A `switch` over `reason` that names all of them and `undefined` is complete. */
export type ErrorOf<E extends ErrorDeclarations> =
  | { [K in keyof E]: DeclaredError<E[K]["reason"], DetailOf<E[K]["detail"]>> }[keyof E]
  | UndeclaredError;

type DetailOf<D> = D extends DescMessage ? MessageShape<D> : undefined;

/** What makes the errors of a channel, by their names: `throw fail.roomFull({ capacity })`. */
export type FailOf<E extends ErrorDeclarations> = {
  readonly [K in keyof E]: E[K]["detail"] extends DescMessage
    ? (detail: MessageInitShape<E[K]["detail"]>, options?: FailOptions) => ConnectError
    : (options?: FailOptions) => ConnectError;
};

export interface FailOptions {
  /** What people are told in place of the schema's message. */
  readonly message?: string;
  /** Milliseconds after which it makes sense to try again; becomes a `google.rpc.RetryInfo`. */
  readonly retryAfterMs?: number;
  /** For the server's own log; never sent. */
  readonly cause?: unknown;
}

/**
 * Which of its declared errors a call failed with; whatever else it is, as a `ConnectError` with no `reason`. Takes what came over any
 * transport, from Connect's own too. A detail that a server of an older schema did not send is empty.
 */
export function declaredError<E extends ErrorDeclarations>(cause: unknown, declared: E): ErrorOf<E> {
  const error = ConnectError.from(cause);
  const info = errorInfo(error);
  if (info === undefined) return error;
  for (const { domain, reason, detail } of Object.values(declared)) {
    if (reason !== info.reason || domain !== info.domain) continue;
    // A copy: the same error may be looked at as one of another channel, which declares other reasons.
    const copy = new ConnectError(error.rawMessage, error.code, error.metadata, undefined, error.cause);
    copy.details = error.details;
    copy.isWireError = error.isWireError;
    if (error.stack !== undefined) copy.stack = error.stack;
    const facts = detail === undefined ? undefined : (error.findDetails(detail)[0] ?? create(detail));
    return Object.assign(copy, { reason, detail: facts }) as unknown as ErrorOf<E>;
  }
  return error;
}

/** Makes a declared error where there is no handler's `fail`, in a gate or a rule for instance: `throw failDeclared(roomJoinErrors.roomFull, { capacity })`. */
export function failDeclared<D extends DescMessage>(
  declaration: ErrorDeclaration<string, D>,
  detail: MessageInitShape<D>,
  options?: FailOptions,
): ConnectError;
export function failDeclared(declaration: ErrorDeclaration<string, undefined>, options?: FailOptions): ConnectError;
export function failDeclared(
  declaration: ErrorDeclaration,
  first?: MessageInitShape<DescMessage> | FailOptions,
  second?: FailOptions,
): ConnectError {
  const { domain, reason, code, message, detail } = declaration;
  const options = (detail === undefined ? (first as FailOptions | undefined) : second) ?? {};
  const error = new ConnectError(options.message ?? message, code, undefined, undefined, options.cause);
  error.details.push({ type: "google.rpc.ErrorInfo", value: encodeErrorInfo(reason, domain, {}) });
  // Encoded here, so that what does not fit its schema fails on the handler's own line.
  if (detail !== undefined)
    error.details.push({ type: detail.typeName, value: toBinary(detail, create(detail, first as never)) });
  if (options.retryAfterMs !== undefined)
    error.details.push({ type: "google.rpc.RetryInfo", value: encodeRetryInfo(options.retryAfterMs) });
  return error;
}

/** The `fail` of a channel's handlers. */
export function failOf<E extends ErrorDeclarations>(declared: E): FailOf<E> {
  const entries = Object.entries(declared).map(([name, declaration]) => [
    name,
    (...given: readonly unknown[]) =>
      (failDeclared as (...all: readonly unknown[]) => ConnectError)(declaration, ...given),
  ]);
  return Object.freeze(Object.fromEntries(entries)) as FailOf<E>;
}
