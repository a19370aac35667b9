// What a server, or a library that spoke with it, said: on one line, and with nothing in it that a terminal would obey.
import { printable } from "@raceway/core";

/** Signs of it that are shown: as many as a refusal by each transport takes. */
const MOST_SIGNS = 4_096;

export function strangerText(text: string): string {
  return printable(text.replaceAll(/\s+/g, " ").trim(), MOST_SIGNS);
}
