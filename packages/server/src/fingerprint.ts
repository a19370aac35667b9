// A fingerprint against accidents, not against enemies: FNV-1a with 64 bits.

/** 16 hex digits. */
export function fingerprint(...chunks: readonly Uint8Array[]): string {
  // Two halves of 32 bits: a product of BigInts per byte would cost microseconds each.
  let low = 0x84222325;
  let high = 0xcbf29ce4;
  for (const chunk of chunks) {
    for (const byte of chunk) {
      low = (low ^ byte) >>> 0;
      // times 0x100000001b3 = 2^40 + 0x1b3
      const product = low * 0x1b3;
      high = (Math.imul(high, 0x1b3) + Math.floor(product / 0x1_0000_0000) + (low << 8)) >>> 0;
      low = product >>> 0;
    }
  }
  return high.toString(16).padStart(8, "0") + low.toString(16).padStart(8, "0");
}
