// Why a path cannot be the name of a generated file on every system.
import { visibleText } from "./visible-text.ts";

/** Signs of Windows, and of paths themselves. */
const TAKEN = /[\\:*?"<>|]/;
/** Control characters, ends of lines in JavaScript, half of a pair, and what turns the direction of text around, so that a name reads as another. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is about
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]|\p{Cs}/u;
const DEVICE = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³])\s*(\.|$)/i;

/** Of a path that is relative and divided by "/"; undefined if it is fine everywhere. */
export function pathProblem(path: string): string | undefined {
  if (path === "") return "it is empty";
  if (path.startsWith("/")) return "it begins at the root";
  if (UNSEEN.test(path)) return "it has a sign that cannot be seen";
  const taken = TAKEN.exec(path);
  if (taken !== null) return `it has ${taken[0]}, which names cannot have on Windows`;
  const url = /[#%]/.exec(path);
  if (url !== null) return `it has ${url[0]}, which means something else in imports of JavaScript`;
  for (const name of path.split("/")) {
    if (name === "") return "it has a folder without a name";
    if (name === "." || name === "..") return `it has ${name} in it`;
    if (/[ .]$/.test(name)) return `${visibleText(name)} ends with a blank or a dot, which Windows leaves out`;
    if (DEVICE.test(name)) return `${visibleText(name)} is a device on Windows`;
  }
  return undefined;
}

/** The same text for names that are one file where case, or the way that accents are written, does not count. */
export function foldedPath(path: string): string {
  return path.normalize("NFC").toUpperCase().toLowerCase();
}
