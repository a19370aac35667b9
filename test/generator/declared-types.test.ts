// Declared errors as TypeScript sees them: what is complete compiles, what forgets, misspells or mixes up does not.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CodeFolder } from "./type-check.ts";

const usage = `import { Code, ConnectError } from "@connectrpc/connect";
import {
  type DeclaredError,
  type ErrorDeclarations,
  type ErrorOf,
  type FailOf,
  type UndeclaredError,
  declaredError,
  failDeclared,
} from "@raceway/core";
import type { CallContext } from "@raceway/server";
import { type ClubJoinError, type ClubLeaveError, clubJoinError } from "./club/v1/club.client.ts";
import { clubInsideErrors, clubJoinErrors } from "./club/v1/club.contract.ts";
import type { ClubHandlers } from "./club/v1/club.server.ts";
import { type ClubFull, ClubFullSchema } from "./club/v1/club_pb.ts";
import type { Ban } from "./club/v1/refusals_pb.ts";

/** The same type, not only one that fits. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
export const union: Same<
  ClubJoinError,
  DeclaredError<"CLUB_FULL", ClubFull> | DeclaredError<"BANNED", Ban> | DeclaredError<"CLOSED_TODAY", undefined> | UndeclaredError
> = true;

// A switch that names all reasons is complete: it needs no default and no return behind it.
export function complete(error: ClubJoinError): string {
  switch (error.reason) {
    case "CLUB_FULL": {
      const { capacity, members }: ClubFull = error.detail;
      return capacity + members.join();
    }
    case "BANNED":
      return error.detail.by + String(error.detail.until?.seconds);
    case "CLOSED_TODAY": {
      const nothing: undefined = error.detail;
      return error.rawMessage + String(nothing);
    }
    case undefined: {
      const other: ConnectError = error;
      return Code[other.code] + String(error.detail);
    }
  }
}
export function closed(error: ClubJoinError): never | undefined {
  if (error.reason === undefined || error.reason === "CLUB_FULL") return undefined;
  if (error.reason === "BANNED" || error.reason === "CLOSED_TODAY") throw error;
  return error satisfies never;
}
// @ts-expect-error -- BANNED is forgotten
export function forgotten(error: ClubJoinError): string {
  switch (error.reason) {
    case "CLUB_FULL":
    case "CLOSED_TODAY":
    case undefined:
      return "";
  }
}
// @ts-expect-error -- what is not declared is forgotten
export function unknown(error: ClubJoinError): string {
  switch (error.reason) {
    case "CLUB_FULL":
    case "BANNED":
    case "CLOSED_TODAY":
      return "";
  }
}
export function wrong(error: ClubJoinError | ClubLeaveError): unknown {
  const all: ConnectError = error; // whatever it is, it is a ConnectError
  // @ts-expect-error -- no such reason
  if (error.reason === "CLUB_FUL") return all;
  // @ts-expect-error -- the reason says which detail there is
  if (error.reason === "BANNED") return error.detail.capacity;
  // @ts-expect-error -- not before the reason is known
  return error.detail.capacity;
}
export async function caught(call: Promise<unknown>): Promise<number> {
  try {
    await call;
    return 0;
  } catch (cause) {
    const error = clubJoinError(cause);
    return error.reason === "CLUB_FULL" ? error.detail.capacity : error.code;
  }
}

// The handler's side.
export const handlers: Partial<ClubHandlers> = {
  join({ name }, { fail }) {
    if (name === "") throw fail.clubFull({ capacity: 1, members: [name] }, { retryAfterMs: 5, message: "no", cause: name });
    if (name === "a") throw fail.banned({ by: name });
    if (name === "b") throw fail.closedToday({ message: "no" });
    const made: ConnectError = fail.closedToday();
    // @ts-expect-error -- the detail is missing
    if (name === "c") throw fail.clubFull();
    // @ts-expect-error -- another error's detail
    if (name === "d") throw fail.clubFull({ by: name });
    // @ts-expect-error -- a field of another type
    if (name === "e") throw fail.clubFull({ capacity: "1" });
    // @ts-expect-error -- not declared
    if (name === "f") throw fail.clubEmpty();
    // @ts-expect-error -- it has no detail
    if (name === "g") throw fail.closedToday({ capacity: 1 });
    // @ts-expect-error -- no such option
    if (name === "h") throw fail.closedToday({ retryAfter: 1 });
    throw made;
  },
  leave(_, context) {
    helper(context);
    throw context.fail.clubFull({});
    // @ts-expect-error -- declared for another channel
    throw context.fail.banned({});
  },
};
/** Whoever needs no declared error takes every context. */
function helper(context: CallContext): unknown {
  // @ts-expect-error -- declares nothing
  return context.fail.clubFull;
}
export const some = (fail: FailOf<typeof clubJoinErrors>): ConnectError => fail.banned({ by: "me" });

// Without a handler, and without generated code: a table of one's own keeps its literal types.
export function table(cause: unknown): readonly unknown[] {
  const made = [
    failDeclared(clubInsideErrors.banned, { by: "me" }),
    failDeclared(clubJoinErrors.closedToday, { retryAfterMs: 1 }),
    // @ts-expect-error -- the detail is missing
    () => failDeclared(clubJoinErrors.clubFull),
    // @ts-expect-error -- the detail of another
    () => failDeclared(clubJoinErrors.clubFull, { by: "me" }),
  ];
  const own = {
    full: { domain: "a", reason: "FULL", code: Code.Aborted, message: "", detail: ClubFullSchema },
    gone: { domain: "a", reason: "GONE", code: Code.NotFound, message: "", detail: undefined },
  } as const satisfies ErrorDeclarations;
  const same: Same<
    ErrorOf<typeof own>,
    DeclaredError<"FULL", ClubFull> | DeclaredError<"GONE", undefined> | UndeclaredError
  > = true;
  const error = declaredError(cause, own);
  switch (error.reason) {
    case "FULL":
      return [made, same, error.detail.capacity];
    case "GONE":
    case undefined:
      return [made, same, error.code];
  }
}
export const none: Same<ErrorOf<Record<never, never>>, UndeclaredError> = true;
`;

test("what is complete compiles, and what is not does not", () => {
  using folder = new CodeFolder();
  cpSync(join(import.meta.dirname, "../gen"), folder.path, { recursive: true });
  folder.write("usage.ts", usage);
  expect(folder.typeErrors({ allowUnreachableCode: true })).toEqual([]);
}, 120_000);
