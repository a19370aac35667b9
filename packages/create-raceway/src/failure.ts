// What keeps a project from being made.

export class CreateFailure extends Error {
  override readonly name = "CreateFailure";
  /** "usage": something else was to be asked for. "tool": this machine, or a program on it. */
  readonly kind: "usage" | "tool";

  constructor(kind: "usage" | "tool", message: string, options?: ErrorOptions) {
    super(message, options);
    this.kind = kind;
  }
}
