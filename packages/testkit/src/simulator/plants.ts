// Faults that are planted to see whether the checker finds them: frames lost, repeated or altered on their way.
import { type Frame, encodeFrame, frameToJson, isTextBatch, readBatch } from "@raceway/core/internal";
import type { Chance } from "./chance.ts";
import type { SimEnd } from "./link.ts";

/** Changes batches on their way; undefined: nothing is left of it. */
export interface FramePlant {
  change(batch: Uint8Array, from: SimEnd): Uint8Array<ArrayBuffer> | undefined;
}

export const plantNames = ["lost-ack", "repeated-frame", "wrong-count", "missed-credit", "late-timer"] as const;
export type PlantName = (typeof plantNames)[number];

/** What becomes of one frame: none, one or several in its place. */
type Change = (frame: Frame, chance: Chance) => readonly Frame[];

const changes: Readonly<Record<Exclude<PlantName, "late-timer">, Change>> = {
  "lost-ack": (frame, chance) => (frame.kind === "ack" && chance.maybe(0.5) ? [] : [frame]),
  "repeated-frame": (frame, chance) => (frame.kind === "data" && chance.maybe(0.02) ? [frame, frame] : [frame]),
  "wrong-count": (frame, chance) =>
    (frame.kind === "ack" || frame.kind === "welcome" || frame.kind === "hello") && chance.maybe(0.2)
      ? [{ ...frame, received: Math.max(0, frame.received + (chance.maybe(0.5) ? 1 : -1)) }]
      : [frame],
  // It still counts as a frame: only what it grants is gone.
  "missed-credit": (frame, chance) =>
    frame.kind === "credit" && chance.maybe(0.7) ? [{ ...frame, messages: 0, bytes: 0 }] : [frame],
};

const depth = { jsonDepth: 64 };
const encoder = new TextEncoder();

/** Undefined for what is planted elsewhere: a late timer is a matter of the clock. */
export function framePlant(name: PlantName | undefined, chance: Chance): FramePlant | undefined {
  if (name === undefined || name === "late-timer") return undefined;
  const change = changes[name];
  return {
    change(batch) {
      let changed = false;
      const frames: Frame[] = [];
      readBatch(batch, depth, (frame) => {
        const after = change(frame, chance);
        if (after.length !== 1 || after[0] !== frame) changed = true;
        frames.push(...after);
      });
      if (!changed) return batch as Uint8Array<ArrayBuffer>;
      if (frames.length === 0) return undefined;
      if (isTextBatch(batch)) return encoder.encode(frames.map((frame) => frameToJson(frame, false)).join(""));
      const parts = frames.map((frame) => encodeFrame(frame));
      const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
      let at = 0;
      for (const part of parts) {
        whole.set(part, at);
        at += part.length;
      }
      return whole;
    },
  };
}
