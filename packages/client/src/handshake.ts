// The client's side of a handshake: one transport opened, Hello said, and Welcome or the reason against it received.
import { Code, ConnectError } from "@connectrpc/connect";
import { type Clock, type Endpoint, type Limits, type StartedClientTransport, type Timer, fail } from "@raceway/core";
import {
  type GoawayFrame,
  type HelloFrame,
  SessionLink,
  type WelcomeFrame,
  encodeFrame,
  errorOf,
  partsToJson,
  readBatch,
} from "@raceway/core/internal";

/** A transport to one server. */
export interface Candidate {
  readonly name: string;
  readonly started: StartedClientTransport;
  readonly endpoint: Endpoint;
  /** Opens a new session beside the one that is there; false: opens the first, or resumes. */
  readonly fresh: boolean;
  /** Joins a race so much later than the one before, unless all before it have failed; undefined: as all others. */
  readonly patienceMs: number | undefined;
}

/** Refusals that the next attempt would meet again. */
export const FINAL_CODES: ReadonlySet<Code> = new Set([
  Code.Unauthenticated,
  Code.PermissionDenied,
  Code.InvalidArgument,
  Code.FailedPrecondition,
  Code.Unimplemented,
]);

/** Why a server did not want us, when it may, and who else might. */
export class Refusal extends Error {
  readonly error: ConnectError;
  readonly retryAfterMs: number;
  readonly endpoints: readonly string[];
  constructor(frame: GoawayFrame) {
    super("The server refused.");
    this.error = frame.status === undefined ? fail("draining", {}) : errorOf(frame.status);
    this.retryAfterMs = frame.retryAfterMs;
    this.endpoints = frame.endpoints;
  }
  /** No other server would say anything else; `resume_impossible` is `not_found`. */
  get ends(): boolean {
    return FINAL_CODES.has(this.error.code) || this.error.code === Code.NotFound;
  }
}

export interface HandshakeInit {
  readonly candidate: Candidate;
  /** Asked for when the link is there. */
  readonly hello: () => HelloFrame;
  /** Frames as lines of JSON, even where the link could carry binary. */
  readonly text: boolean;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Called synchronously with the Welcome, before anything else of the link: true if the session takes it, false if another was first. */
  readonly welcomed: (link: SessionLink, welcome: WelcomeFrame) => boolean;
}

/** Opens one link. Resolves when the link was welcomed and taken; rejects with a ConnectError or a Refusal; leaves nothing open then. */
export function shakeHands(init: HandshakeInit): Promise<void> {
  const { candidate, limits, clock, signal } = init;
  return new Promise((resolve, reject) => {
    let link: SessionLink | undefined;
    let timer: Timer | undefined;
    let over = false;
    const opening = new AbortController();
    const settle = (error?: ConnectError | Refusal): void => {
      if (over) return;
      over = true;
      timer?.[Symbol.dispose]();
      signal.removeEventListener("abort", abort);
      if (error === undefined) return resolve();
      opening.abort();
      if (link !== undefined && !link.over) {
        link.handshake = undefined;
        link.link.close();
      }
      reject(error);
    };
    const abort = (): void =>
      settle(fail("transport_failed", { transport: candidate.name, detail: "another transport was faster" }));
    if (signal.aborted) return abort();
    signal.addEventListener("abort", abort);
    timer = clock.after(limits.helloMs, () => settle(fail("hello_timeout", { ms: limits.helloMs })));

    const handshake = {
      batch(from: SessionLink, bytes: Uint8Array): void {
        if (over) return;
        try {
          readBatch(bytes, limits, (frame) => {
            if (over) throw fail("frame_unexpected", { frame: frame.kind, state: "in the batch of the Welcome" });
            if (frame.kind === "goaway") settle(new Refusal(frame));
            else if (frame.kind !== "welcome")
              throw fail("frame_unexpected", { frame: frame.kind, state: "before Welcome" });
            else if (frame.version !== 1) throw fail("version_unsupported", { version: frame.version });
            else if (init.welcomed(from, frame)) settle();
            else {
              // Another was first. A session that was made for us only is not left behind.
              if (!frame.resumed)
                say(from, { kind: "goaway", status: undefined, retryAfterMs: 0, endpoints: [], final: true });
              abort();
            }
          });
        } catch (error) {
          settle(error as ConnectError);
        }
      },
      closed(_from: SessionLink, error: ConnectError | undefined): void {
        settle(error ?? fail("link_closed", { transport: candidate.name, detail: "before Welcome" }));
      },
    };
    candidate.started
      .open(
        candidate.endpoint,
        (opened) => {
          link = new SessionLink(opened, handshake, init.text || !opened.traits.binary);
          say(link, init.hello());
          // Given up while it was opening: close it as soon as the transport has its receiver.
          if (over) clock.turnEnd(() => opened.close());
          return link;
        },
        opening.signal,
      )
      .catch((error: unknown) => settle(ConnectError.from(error, Code.Unavailable)));
  });
}

function say(link: SessionLink, frame: HelloFrame | GoawayFrame): void {
  const parts = [encodeFrame(frame)];
  if (!link.link.send(link.text ? partsToJson(parts, false) : parts)) link.blocked = true;
}
