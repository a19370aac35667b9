// Payloads that went wrong on their way, or never were any: the same ones each time.

/** Of a payload: cut off at each place, with bytes changed, left out and doubled; and bytes of no origin. Each with what was done to it. */
export function* cutAndBent(payload: Uint8Array): Generator<readonly [what: string, bytes: Uint8Array<ArrayBuffer>]> {
  const chance = sequence(1);
  for (let length = 0; length < payload.length; length++)
    yield [`the first ${length} bytes of ${payload.length}`, payload.slice(0, length)];
  for (let at = 0; at < payload.length; at++) {
    for (const change of [0xff, 0x80, 0x01, 1 + chance(255)]) {
      const bent = payload.slice();
      bent[at]! ^= change;
      yield [`a payload with byte ${at} changed by ${change}`, bent];
    }
  }
  for (let round = 0; round < 200; round++) {
    const from = chance(payload.length);
    const to = from + 1 + chance(Math.min(16, payload.length - from));
    yield [`a payload without its bytes ${from} to ${to}`, joined(payload.subarray(0, from), payload.subarray(to))];
    yield [`a payload with its bytes ${from} to ${to} twice`, joined(payload.subarray(0, to), payload.subarray(from))];
  }
  for (let round = 0; round < 2_000; round++)
    yield [`made-up payload ${round}`, Uint8Array.from({ length: chance(64) }, () => chance(256))];
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** Numbers below a limit, always the same ones (mulberry32). */
function sequence(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}
