// An end of the run that is not a finding: it was asked for the wrong thing, or a tool did not work.

export class GenerateFailure extends Error {
  override readonly name = "GenerateFailure";
  /** "usage": what was asked for cannot be. "tool": it could be, but something on this machine failed. */
  readonly kind: "usage" | "tool";

  constructor(kind: "usage" | "tool", message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}

/** Text of anything that was thrown. */
export function reasonText(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
