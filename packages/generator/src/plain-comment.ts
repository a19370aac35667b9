// Comments of a schema as mere text: what compilers and bundlers take for a directive, wherever a comment has it, is broken up.

/**
 * TypeScript leaves out checks, or misses an error that is not there (`@ts-…`); bundlers drop calls (`#__NO_SIDE_EFFECTS__`), or read the file that is named
 * (`sourceMappingURL`).
 */
export function plainComment(text: string): string {
  return text
    .replaceAll(/@(?=ts-(?:nocheck|ignore|expect-error))/g, "")
    .replaceAll(/[@#](?=__[A-Z_]+__)/g, "")
    .replaceAll(/(?<=source(?:Mapping)?)(?=URL\s*=)/g, " ");
}
