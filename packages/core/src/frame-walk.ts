// Frames by their heads alone, in what this side wrote itself: to count them, to send some again, to keep whole ones together.
import { malformed } from "./varint.ts";

/** Tag of `Batch.frame`: each frame begins with it. */
export const FRAME_TAG = 0x0a;

/** How many counted frames a batch holds. */
export function countedFrames(batch: Uint8Array): number {
  let count = 0;
  walk([batch], (counted) => void (count += counted ? 1 : 0));
  return count;
}

/** The counted frames of a batch after the first `skip` of them: what is left to be sent again. A frame may span parts. */
export function skipCounted(parts: readonly Uint8Array[], skip: number): Uint8Array[] {
  const kept: Uint8Array[] = [];
  let seen = 0;
  // What is kept and not yet cut out: from an offset in a part to an offset in the same or a later one.
  let fromPart = -1;
  let fromAt = 0;
  const close = (part: number, at: number): void => {
    if (fromPart < 0) return;
    for (let index = fromPart; index <= part && index < parts.length; index++) {
      const bytes = parts[index]!;
      const cut = bytes.subarray(index === fromPart ? fromAt : 0, index === part ? at : bytes.length);
      if (cut.length > 0) kept.push(cut.length === bytes.length ? bytes : cut);
    }
    fromPart = -1;
  };
  const last = walk(parts, (counted, part, at) => {
    if (counted && ++seen > skip) {
      if (fromPart >= 0) return;
      fromPart = part;
      fromAt = at;
    } else close(part, at);
  });
  close(last.part, last.at);
  return kept;
}

/** Calls back with the beginning of each frame. */
function walk(
  parts: readonly Uint8Array[],
  each: (counted: boolean, part: number, at: number) => void,
): { readonly part: number; readonly at: number } {
  let part = 0;
  let at = 0;
  const normalize = (): boolean => {
    while (part < parts.length && at >= parts[part]!.length) at -= parts[part++]!.length;
    return part < parts.length;
  };
  const byte = (): number => {
    if (!normalize()) throw malformed(at, "a frame is cut off");
    return parts[part]![at++]!;
  };
  while (normalize()) {
    const beganIn = part;
    const beganAt = at;
    if (byte() !== FRAME_TAG) throw malformed(beganAt, "no frame begins here");
    let length = 0;
    for (let scale = 1, next = 128; next > 127; scale *= 128) length += ((next = byte()) & 127) * scale;
    const no = length === 0 ? 0 : byte() >>> 3;
    at += length === 0 ? 0 : length - 1;
    each(no >= 3 && no <= 7, beganIn, beganAt);
  }
  return { part, at };
}

/** The parts such that no frame spans two of them: what belongs together is joined, whole parts stay what they are. */
export function wholeParts(parts: readonly Uint8Array[]): readonly Uint8Array[] {
  const starts: number[] = []; // parts at whose very beginning a frame begins
  walk(parts, (_, part, at) => void (at === 0 && starts.push(part)));
  if (starts.length === parts.length) return parts;
  return starts.map((from, index) => joinParts(parts.slice(from, starts[index + 1] ?? parts.length)));
}

/** All parts in one array: a copy, unless there is only one. */
export function joinParts(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  let length = 0;
  for (const part of parts) length += part.length;
  const joined = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}
