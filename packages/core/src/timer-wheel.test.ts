// The timer wheel against a naive model, under simulated time.
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Timer } from "./clock.ts";
import { type TimerWheel, timerWheel } from "./timer-wheel.ts";

/** A host with time that stands still until it is told to go on. */
class Host {
  time = 1_000.5;
  native: { at: number; run: () => void } | undefined;
  scheduled = 0;
  now(): number {
    return this.time;
  }
  schedule(ms: number, run: () => void): object {
    expect(this.native).toBeUndefined(); // at most one
    expect(ms).toBeGreaterThanOrEqual(0);
    this.scheduled++;
    return (this.native = { at: this.time + ms, run });
  }
  cancel(handle: unknown): void {
    expect(handle).toBe(this.native);
    this.native = undefined;
  }
  /** Goes on; native timers run when they are due, or all at once at the end, as after a stall. */
  advance(ms: number, stalled = false): void {
    const end = this.time + ms;
    if (stalled) this.time = end;
    while (this.native !== undefined && this.native.at <= end) {
      const { at, run } = this.native;
      this.native = undefined;
      this.time = Math.max(this.time, at);
      run();
    }
    this.time = end;
  }
}

describe("the timer wheel", () => {
  it("runs each timer once, in order, never early, late by at most a tick; none that was called off", () => {
    const delay = fc.oneof(
      fc.nat(50),
      fc.nat(3_000),
      fc.nat(200_000),
      fc.nat(20_000_000),
      fc.nat(2_000_000_000),
      fc.double({ min: 0, max: 100, noNaN: true }),
    );
    const step = fc.oneof(
      fc.record({
        do: fc.constant("after" as const),
        ms: delay,
        // oxlint-disable-next-line unicorn/no-thenable -- plain data, which nobody awaits
        then: fc.option(fc.record({ ms: delay, callOff: fc.nat() })),
      }),
      fc.record({ do: fc.constant("callOff" as const), index: fc.nat() }),
      fc.record({ do: fc.constant("advance" as const), ms: delay, stalled: fc.boolean() }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const host = new Host();
        const wheel = timerWheel(host);
        const timers: { timer: Timer; due: number; state: "waits" | "ran" | "off"; made: number }[] = [];
        let latest = -Infinity;
        const make = (ms: number, then?: () => void): void => {
          const entry = {
            timer: undefined as unknown as Timer,
            due: host.time + ms,
            state: "waits" as "waits" | "ran" | "off",
            made: timers.length,
          };
          entry.timer = wheel.after(ms, () => {
            expect(entry.state).toBe("waits");
            entry.state = "ran";
            expect(host.time).toBeGreaterThanOrEqual(entry.due);
            // In the order of their ticks; ticks begin anew when nothing waits, so the order is known to a tick.
            expect(entry.due).toBeGreaterThanOrEqual(latest - 10);
            latest = Math.max(latest, entry.due);
            then?.();
          });
          timers.push(entry);
        };
        const callOff = (index: number): void => {
          const entry = timers[index % (timers.length || 1)];
          if (entry === undefined) return;
          entry.timer[Symbol.dispose]();
          if (entry.state === "waits") entry.state = "off";
        };
        for (const each of steps) {
          if (each.do === "after") {
            make(each.ms, () => {
              if (each.then === null) return;
              make(each.then.ms);
              callOff(each.then.callOff);
            });
          } else if (each.do === "callOff") callOff(each.index);
          else {
            host.advance(each.ms, each.stalled);
            latest = -Infinity;
            for (const { due, state } of timers) if (due + 11 < host.time) expect(state).not.toBe("waits");
            if (!timers.some(({ state }) => state === "waits")) expect(host.native).toBeUndefined();
          }
        }
        host.advance(5_000_000_000);
        expect(timers.some(({ state }) => state === "waits")).toBe(false);
        expect(host.native).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  it("keeps nothing of a timer that was called off", () => {
    const host = new Host();
    const wheel = timerWheel(host);
    const held = wheel.after(60_000, () => undefined);
    // A ring of the held timer and its slot's head, whatever was added beside it and called off.
    for (let index = 0; index < 100_000; index++) wheel.after(60_000, () => undefined)[Symbol.dispose]();
    const { next, previous } = held as Timer & { next: { next: unknown }; previous: unknown };
    expect(next).toBe(previous);
    expect(next.next).toBe(held);
    expect(host.scheduled).toBe(1);
  });

  it("has no native timer when the last timer was called off, and one again for the next", () => {
    const host = new Host();
    const wheel = timerWheel(host);
    wheel.after(100, () => expect.unreachable())[Symbol.dispose]();
    expect(host.native).toBeUndefined();
    host.advance(1_000_000);
    let ran = 0;
    wheel.after(20, () => ran++);
    host.advance(30);
    expect(ran).toBe(1);
  });

  it("wakes the host seldom for what is far away", () => {
    const host = new Host();
    const wheel = timerWheel(host);
    let ran = 0;
    const count = (): void => void ran++;
    for (let index = 0; index < 1_000; index++) wheel.after(25_000, count);
    host.advance(25_010);
    expect(ran).toBe(1_000);
    expect(host.scheduled).toBeLessThanOrEqual(4);
  });

  it("lets the other timers run when one throws", () => {
    const host = new Host();
    const wheel = timerWheel(host);
    const ran: string[] = [];
    wheel.after(10, () => {
      throw new Error("mine");
    });
    wheel.after(10, () => ran.push("same tick"));
    wheel.after(20, () => ran.push("later"));
    expect(() => host.advance(15)).toThrow("mine");
    host.advance(30);
    expect(ran).toEqual(["same tick", "later"]);
  });

  it("runs a timer when rounding puts its tick before its time", () => {
    const host = new Host();
    host.time += 15.178366835617075;
    const wheel = timerWheel(host);
    let ran = 0;
    wheel.after(38.30744159360946, () => ran++);
    host.advance(50);
    expect(ran).toBe(1);
    expect(host.scheduled).toBeLessThanOrEqual(2);
  });

  it("takes a timer that makes another for now, again and again", () => {
    const host = new Host();
    const wheel: TimerWheel = timerWheel(host);
    let ran = 0;
    const again = (): void => {
      if (++ran < 50) wheel.after(0, again);
    };
    wheel.after(0, again);
    host.advance(10_000);
    expect(ran).toBe(50);
  });
});
