// Names: OpenTelemetry's conventions for calls (stable) and for messaging, and Raceway's own beside them. In one place, so that server and client agree.
import { Code, type ConnectError } from "@connectrpc/connect";
import type { Attributes, HrTime } from "@opentelemetry/api";
import type { ChannelInfo, Clock } from "@raceway/core";

/** Name of tracer and meter. */
export const SCOPE = "@raceway/telemetry";
export const VERSION = "0.1.0";

export const RPC_SYSTEM = "rpc.system.name";
export const RPC_METHOD = "rpc.method";
export const RPC_STATUS = "rpc.status_code";
export const ERROR_TYPE = "error.type";
export const TRANSPORT = "raceway.transport";
export const REASON = "raceway.reason";
export const SESSION = "raceway.session.id";
export const REQUESTS = "raceway.requests";
export const RESPONSES = "raceway.responses";

/** As the conventions recommend for calls, in seconds. */
export const SECONDS: number[] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10];
/** Sessions and links live longer. */
export const LIFETIMES: number[] = [1, 10, 60, 300, 900, 3_600, 14_400, 86_400];

/** "package.Service/Method": a span's name, and `rpc.method`. As many as the schema has, whatever clients ask for. */
export function methodOf({ path }: Pick<ChannelInfo, "path">): string {
  return path.slice(1);
}

/** Of a topic: its template, which is the schema's; or the method, if it has none. */
export function templateOf(channel: ChannelInfo): string {
  return channel.contract.address ?? methodOf(channel);
}

export function messagingOf(channel: ChannelInfo, type: "send" | "receive" | "process", name: string): Attributes {
  return {
    "messaging.system": "raceway",
    "messaging.operation.type": type,
    "messaging.operation.name": name,
    "messaging.destination.template": templateOf(channel),
    [RPC_METHOD]: methodOf(channel),
  };
}

/** "deadline_exceeded", say; "ok" for no error. As Connect writes codes. */
export function statusOf(error: ConnectError | undefined): string {
  if (error === undefined) return "ok";
  return (Code[error.code] as string | undefined)?.replace(/(?<=[a-z])[A-Z]/g, "_$&").toLowerCase() ?? "unknown";
}

/** Codes that are faults of a server; the others are answers, if no welcome ones. To a client all are errors. */
const faults: ReadonlySet<Code> = new Set([
  Code.Unknown,
  Code.DeadlineExceeded,
  Code.Unimplemented,
  Code.Internal,
  Code.Unavailable,
  Code.DataLoss,
]);
export function isFault(error: ConnectError): boolean {
  return faults.has(error.code);
}

/** Times of a span by the host's clock. As pairs, for a plain number below the process's own start would be taken for an offset. */
export class SpanTimes {
  readonly #clock: Clock;
  readonly #wall: number;
  readonly #begun: number;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#begun = clock.now();
    this.#wall = clock.wallNow();
  }
  get start(): HrTime {
    return pair(this.#wall);
  }
  get now(): HrTime {
    return pair(this.#wall + this.#clock.now() - this.#begun);
  }
  get elapsedSeconds(): number {
    return (this.#clock.now() - this.#begun) / 1_000;
  }
}

function pair(ms: number): HrTime {
  const seconds = Math.floor(ms / 1_000);
  return [seconds, Math.round((ms - seconds * 1_000) * 1e6)];
}
