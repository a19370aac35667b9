// Unary calls that are answered from what was answered before; of equal ones under way one runs, and the others wait for its answer.
import type { DescMethod } from "@bufbuild/protobuf";
import { Code, ConnectError, type UnaryRequest, type UnaryResponse } from "@connectrpc/connect";
import { type Clock, type MessageCodec, protoCodec } from "@raceway/core";
import { type Answer, type AnswerLimits, Answers, type Fields, type Question } from "./answers.ts";

export interface CacheStats {
  /** Answers that are kept now, those that are too old and were not asked for since included. */
  readonly entries: number;
  /** What they take, in bytes. */
  readonly bytes: number;
  /** Calls that were answered by what was kept. */
  readonly hits: number;
  /** Calls that were answered by an equal one which was under way. */
  readonly shared: number;
  /** Calls that ran. */
  readonly misses: number;
}

/** Of several caches, together. */
export function statsOf(caches: Iterable<AnswerCache>): CacheStats {
  const all = Array.from(caches, ({ stats }) => stats);
  const sum = (of: keyof CacheStats): number => all.reduce((total, stats) => total + stats[of], 0);
  return {
    entries: sum("entries"),
    bytes: sum("bytes"),
    hits: sum("hits"),
    shared: sum("shared"),
    misses: sum("misses"),
  };
}

export interface Asking {
  readonly question: Question;
  readonly request: UnaryRequest;
  /** What is kept is not good enough for this one. */
  readonly fresh?: boolean;
  /** Has the call answered. */
  run(): Promise<UnaryResponse>;
  /** For how long its answer may be given to others, in milliseconds; 0: to nobody else. */
  goodFor(response: UnaryResponse): number;
}
export interface Told {
  readonly response: UnaryResponse;
  /** For how long it is good from now on, in milliseconds. */
  readonly leftMs: number;
}

/** How a call ended that others wait for. */
type Landing =
  | { readonly kind: "answer"; readonly answer: Answer }
  | { readonly kind: "error"; readonly error: unknown }
  /** Its answer is for nobody else. */
  | { readonly kind: "unshared" }
  /** Who asked went away, or may no longer ask; that says nothing to the others. */
  | { readonly kind: "left" };

interface Flight {
  readonly question: Question;
  readonly landing: Promise<Landing>;
  /** Nobody has said since it began that such answers are no good any more. */
  current: boolean;
}

/** Headers of an answer that belong to the way it went, and are made anew for each. */
const ofTheWay = /^(?:content-(?:type|length|encoding)|grpc-.*|connect-.*|trailer.*|date|age|cache-control|vary|te)$/;

export class AnswerCache {
  readonly #clock: Clock;
  readonly #answers: Answers;
  readonly #flights = new Map<string, Flight>();
  readonly #codec = protoCodec();
  #hits = 0;
  #shared = 0;
  #misses = 0;

  constructor(clock: Clock, limits: AnswerLimits) {
    this.#clock = clock;
    this.#answers = new Answers(limits);
  }

  get stats(): CacheStats {
    const { size: entries, bytes } = this.#answers;
    return { entries, bytes, hits: this.#hits, shared: this.#shared, misses: this.#misses };
  }

  async ask(asking: Asking): Promise<Told> {
    const { question, request, fresh = false } = asking;
    if (fresh) return this.#fly(asking);
    for (;;) {
      const kept = this.#answers.get(question.key, this.#clock.now());
      if (kept !== undefined) {
        this.#hits++;
        return this.#again(request, kept);
      }
      const flight = this.#flights.get(question.key);
      if (flight === undefined) return this.#fly(asking);
      const landing = await unlessAborted(flight.landing, request.signal);
      switch (landing.kind) {
        case "answer":
          this.#shared++;
          return this.#again(request, landing.answer);
        case "error":
          this.#shared++;
          throw landing.error;
        case "unshared":
          this.#misses++;
          return { response: await asking.run(), leftMs: 0 };
        case "left":
      }
    }
  }

  /** Forgets what matches, and how many that was. What is under way and matches is not kept, nor given to those who ask from now on. */
  drop(matches: (question: Question) => boolean): number {
    for (const [key, flight] of this.#flights) {
      if (!matches(flight.question)) continue;
      flight.current = false;
      this.#flights.delete(key);
    }
    return this.#answers.drop(matches);
  }

  async #fly(asking: Asking): Promise<Told> {
    const { question, request } = asking;
    const { key } = question;
    const { promise, resolve: land } = Promise.withResolvers<Landing>();
    const flight: Flight = { question, landing: promise, current: true };
    const before = this.#flights.get(key);
    if (before !== undefined) before.current = false; // its answer may come later, and is older
    this.#flights.set(key, flight);
    this.#misses++;
    try {
      const response = await asking.run();
      const goodForMs = asking.goodFor(response);
      const answer = goodForMs > 0 ? this.#answerOf(response, request.method, goodForMs) : undefined;
      if (answer === undefined) {
        land({ kind: "unshared" });
        return { response, leftMs: 0 };
      }
      if (flight.current) this.#answers.put(question, answer);
      land({ kind: "answer", answer });
      return { response, leftMs: goodForMs };
    } catch (error) {
      land(isOnesOwn(error, request.signal) ? { kind: "left" } : { kind: "error", error });
      throw error;
    } finally {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    }
  }

  /** Undefined if it cannot be written: whoever asked finds out, too. */
  #answerOf(response: UnaryResponse, method: DescMethod, goodForMs: number): Answer | undefined {
    try {
      return {
        message: this.#coding(method).encode(response.message).slice(),
        header: fieldsOf(response.header),
        trailer: fieldsOf(response.trailer),
        until: this.#clock.now() + goodForMs,
      };
    } catch {
      return undefined;
    }
  }

  #again({ method, service }: UnaryRequest, { message, header, trailer, until }: Answer): Told {
    const response: UnaryResponse = {
      stream: false,
      service,
      method,
      header: new Headers(header as [string, string][]),
      trailer: new Headers(trailer as [string, string][]),
      // A copy: fields of bytes are views of what they are read from, and whoever gets the message may write to it.
      message: this.#coding(method).decode(message.slice()),
    };
    return { response, leftMs: Math.max(0, until - this.#clock.now()) };
  }

  #coding(method: DescMethod): MessageCodec<DescMethod["output"]> {
    return this.#codec.of(method.output);
  }
}

/** Others who ask the same need not get this error: it is about who asked, not about what. */
function isOnesOwn(error: unknown, signal: AbortSignal): boolean {
  if (signal.aborted) return true;
  const { code } = ConnectError.from(error);
  return code === Code.Canceled || code === Code.Unauthenticated;
}

function fieldsOf(headers: Headers): Fields {
  return [...headers].filter(([name]) => !ofTheWay.test(name));
}

/** A landing never fails; who does not want to wait for it any more does. */
function unlessAborted<T>(landing: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const leave = (): void => reject(ConnectError.from(signal.reason, Code.Canceled));
    if (signal.aborted) return leave();
    signal.addEventListener("abort", leave, { once: true });
    void landing.then((value) => {
      signal.removeEventListener("abort", leave);
      resolve(value);
    });
  });
}
