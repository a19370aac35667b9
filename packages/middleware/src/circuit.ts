// One circuit: counts how calls end within a window, opens when too many fail, and lets a few through later to see whether it may close.
import type { Clock, Random } from "@raceway/core";

export type CircuitState = "closed" | "open" | "half-open";

export interface CircuitRules {
  readonly windowMs: number;
  readonly leastCalls: number;
  readonly failureShare: number;
  readonly openMs: number;
  readonly probes: number;
}

/** What became of a call; "neither" says nothing about the other side. */
export type Outcome = "well" | "failed" | "neither";

/** The window moves on in so many steps. */
const STEPS = 10;
/** It stays open up to so much longer, by chance: not all clients come back at once. */
const JITTER = 0.2;
/** While all probes are on their way, this is as good a guess as any, in milliseconds. */
const PROBING_MS = 250;

interface Step {
  readonly number: number;
  calls: number;
  failures: number;
}

/** Passed through; to be told once how the call ended. */
export type Ticket = (outcome: Outcome) => void;

export class Circuit {
  readonly name: string;
  readonly #rules: CircuitRules;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #changed: (circuit: Circuit) => void;
  #state: CircuitState = "closed";
  /** Counts changes of state: a call that was let through before the last one says nothing about this. */
  #era = 0;
  #steps: Step[] = [];
  #openUntil = 0;
  /** Half-open: calls that are on their way, and those that went well. */
  #probing = 0;
  #proven = 0;
  /** When the last of them was let through. */
  #probedAt = 0;

  constructor(
    name: string,
    rules: CircuitRules,
    world: { readonly clock: Clock; readonly random: Random; readonly changed: (circuit: Circuit) => void },
  ) {
    this.name = name;
    this.#rules = rules;
    this.#clock = world.clock;
    this.#random = world.random;
    this.#changed = world.changed;
  }

  get state(): CircuitState {
    return this.#state;
  }
  /** Within the window. */
  get calls(): number {
    return this.#recent().reduce((sum, { calls }) => sum + calls, 0);
  }
  get failures(): number {
    return this.#recent().reduce((sum, { failures }) => sum + failures, 0);
  }
  /** Milliseconds until a call may try again, about; 0 if one may now. */
  get waitMs(): number {
    if (this.#state === "open") return Math.max(0, Math.ceil(this.#openUntil - this.#clock.now()));
    return this.#state === "half-open" && this.#isProbed ? Math.min(PROBING_MS, this.#rules.openMs) : 0;
  }
  /** As many are on their way as there are to be, and may still say something: of what came to no end in `openMs`, as of a stream that is quiet, nothing is expected any more. */
  get #isProbed(): boolean {
    const { probes, openMs } = this.#rules;
    return this.#probing + this.#proven >= probes && this.#clock.now() - this.#probedAt < openMs;
  }

  /** Lets a call through, or not: undefined. */
  enter(): Ticket | undefined {
    if (this.#state === "open") {
      if (this.waitMs > 0) return undefined;
      this.#probing = this.#proven = 0;
      this.#become("half-open");
    }
    const era = this.#era;
    if (this.#state === "closed") return (outcome) => this.#count(era, outcome);
    if (this.#isProbed) return undefined;
    this.#probing++;
    this.#probedAt = this.#clock.now();
    return (outcome) => this.#probed(era, outcome);
  }

  #count(era: number, outcome: Outcome): void {
    if (era !== this.#era || outcome === "neither") return;
    const steps = this.#recent();
    const number = this.#stepNumber;
    let step = steps.at(-1);
    if (step?.number !== number) steps.push((step = { number, calls: 0, failures: 0 }));
    step.calls++;
    if (outcome === "well") return;
    step.failures++;
    const { calls, failures } = this;
    if (calls >= this.#rules.leastCalls && failures >= calls * this.#rules.failureShare) this.#open();
  }

  #probed(era: number, outcome: Outcome): void {
    if (era !== this.#era) return;
    this.#probing--;
    if (outcome === "failed") this.#open();
    else if (outcome === "well" && ++this.#proven >= this.#rules.probes) {
      this.#steps = [];
      this.#become("closed");
    }
  }

  #open(): void {
    this.#openUntil = this.#clock.now() + this.#rules.openMs * (1 + JITTER * this.#random.next());
    this.#become("open");
  }

  #become(state: CircuitState): void {
    this.#state = state;
    this.#era++;
    this.#changed(this);
  }

  get #stepNumber(): number {
    return Math.floor((this.#clock.now() * STEPS) / this.#rules.windowMs);
  }
  #recent(): Step[] {
    const oldest = this.#stepNumber - STEPS;
    if (this.#steps.length > 0 && this.#steps[0]!.number <= oldest)
      this.#steps = this.#steps.filter(({ number }) => number > oldest);
    return this.#steps;
  }
}
