// Chance, asked from the host.

/** A source of randomness. `bytes` must be fit for secrets in production; a simulator gives repeatable ones. */
export interface Random {
  /** 0 ≤ x < 1. Not for secrets. */
  next(): number;
  /** Unpredictable bytes. */
  bytes(length: number): Uint8Array;
}

/** The platform's own randomness, in any browser and in Node. */
export const systemRandom: Random = {
  next: () => {
    const [word] = crypto.getRandomValues(new Uint32Array(1));
    return (word ?? 0) / 0x1_0000_0000;
  },
  bytes: (length) => crypto.getRandomValues(new Uint8Array(length)),
};
