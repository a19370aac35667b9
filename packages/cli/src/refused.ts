// What was asked for and cannot be, as other packages tell it, is a wrong use of the command.
import { UsageError } from "./context.ts";

/** Errors whose `kind` is "usage" end the command with exit code 2; all others are passed on. */
export async function refusedAsUsage<T>(act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    if (error instanceof Error && "kind" in error && error.kind === "usage")
      throw new UsageError(error.message, { cause: error });
    throw error;
  }
}
