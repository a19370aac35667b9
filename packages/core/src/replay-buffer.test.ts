// The replay buffer resends exactly what is asked for, wherever flushes were cut.
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { joinParts, readBatch } from "./batch.ts";
import { FrameWriter, encodeFrame } from "./frame-binary.ts";
import { ReplayBuffer } from "./replay-buffer.ts";

/** Writes `counts[i]` cancels in flush i, numbered from 0 on by their call. */
function filled(counts: readonly number[]): ReplayBuffer {
  const replay = new ReplayBuffer();
  const writer = new FrameWriter();
  let call = 0;
  for (const count of counts) {
    for (let at = 0; at < count; at++) writer.cancel(call++);
    const { count: frames, bytes } = writer;
    if (frames > 0) replay.push(writer.take(), frames, bytes);
  }
  return replay;
}

/** Numbers of the frames that would be sent again from `number` on. */
function resent(replay: ReplayBuffer, number: number): number[] {
  const calls: number[] = [];
  replay.from(number, (parts) => {
    readBatch(joinParts(parts), { jsonDepth: 64 }, (frame) => void (frame.kind === "cancel" && calls.push(frame.call)));
    return true;
  });
  return calls;
}

describe("ReplayBuffer", () => {
  it("resends exactly the frames from a number on, wherever flushes were cut", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 12 }), fc.nat(240), fc.nat(240), (counts, ack, from) => {
        const replay = filled(counts);
        const total = counts.reduce((sum, count) => sum + count, 0);
        expect(replay.end).toBe(total);
        expect(replay.ack(ack)).toBe(ack <= total);
        const acked = Math.min(ack, ack <= total ? ack : 0);
        const start = Math.max(acked, from);
        expect(resent(replay, start)).toEqual(
          Array.from({ length: Math.max(0, total - start) }, (_, at) => start + at),
        );
      }),
    );
  });

  it("refuses counts that shrink or exceed what was written", () => {
    const replay = filled([3, 3]);
    expect(replay.ack(4)).toBe(true);
    expect(replay.ack(3)).toBe(false);
    expect(replay.ack(7)).toBe(false);
    expect(replay.acked).toBe(4);
  });

  it("frees bytes flush by flush", () => {
    const replay = filled([2, 2]);
    const { bytes } = replay;
    replay.ack(1);
    expect(replay.bytes).toBe(bytes);
    replay.ack(2);
    expect(replay.bytes).toBeLessThan(bytes);
    replay.ack(4);
    expect(replay.bytes).toBe(0);
  });

  it("gives up the oldest when trimmed, and knows from where on it can still resend", () => {
    const replay = filled([4, 4, 4]);
    replay.trim(replay.bytes - 1);
    expect(replay.kept).toBe(4);
    expect(resent(replay, 4)).toEqual([4, 5, 6, 7, 8, 9, 10, 11]);
  });

  it("puts another frame in the place of one, whatever was flushed together, and leaves all others", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 5 }),
        fc.nat(),
        fc.nat(),
        (counts, number, ack) => {
          const replay = filled(counts);
          const acked = ack % (replay.end + 1);
          replay.ack(acked);
          const at = number % replay.end;
          replay.replace(at, encodeFrame({ kind: "cancel", call: 1_000 }));
          expect(resent(replay, acked)).toEqual(
            Array.from({ length: replay.end - acked }, (_, index) => (acked + index === at ? 1_000 : acked + index)),
          );
          replay.ack(replay.end);
          expect(replay.bytes).toBe(0);
        },
      ),
    );
  });
});
