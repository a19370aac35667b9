// Bytes as text: two hexadecimal digits each.

/** In lower case. Joined, not summed: a sum of strings stays a tree of its parts, several times as large, for as long as it is kept. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
