// The frames of wire.proto as plain values, and which of them are counted. Numbers are safe integers; absent fields have their zero value.

export interface Window {
  readonly messages: number;
  readonly bytes: number;
}
export interface HeaderField {
  readonly key: string;
  readonly value: string;
}
export interface WirePosition {
  readonly epoch: string;
  readonly offset: number;
}
export interface WireStatus {
  /** Connect's code, 1 to 16; 0 is "ok". */
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: Uint8Array }[];
}

export interface HelloFrame {
  readonly kind: "hello";
  readonly version: number;
  readonly codecs: readonly string[];
  readonly session: Uint8Array;
  readonly secret: Uint8Array;
  readonly received: number;
  readonly credential: string;
  readonly window: Window | undefined;
  readonly agent: string;
  readonly header: readonly HeaderField[];
  readonly attempt: number;
  /** Coders of batches that the client has, best first. */
  readonly coders?: readonly string[] | undefined;
}
export interface WelcomeFrame {
  readonly kind: "welcome";
  readonly version: number;
  readonly codec: string;
  readonly session: Uint8Array;
  readonly secret: Uint8Array;
  readonly received: number;
  readonly resumed: boolean;
  readonly window: Window | undefined;
  readonly heartbeatMs: number;
  readonly silenceMs: number;
  readonly resumeMs: number;
  readonly maxMessageBytes: number;
  readonly transports: readonly string[];
  readonly maxBatchBytes: number;
  readonly maxAgeMs: number;
  readonly node: string;
  /** When the credential of the Hello ends, in milliseconds from the Welcome; 0: unknown, or never. */
  readonly credentialMs: number;
  /** Those of this link, in the order in which a sender applies them. */
  readonly coders?: readonly string[] | undefined;
}
export interface OpenFrame {
  readonly kind: "open";
  readonly call: number;
  readonly method: string;
  readonly header: readonly HeaderField[];
  readonly timeoutMs: number;
  readonly idempotencyKey: string;
  readonly after: WirePosition | undefined;
  readonly end: boolean;
  readonly payload: Uint8Array | undefined;
}
export interface DataFrame {
  readonly kind: "data";
  readonly call: number;
  readonly payload: Uint8Array;
  /** Only in the server's first Data of a call. */
  readonly header: readonly HeaderField[] | undefined;
}
export interface EndFrame {
  readonly kind: "end";
  readonly call: number;
  readonly status: WireStatus | undefined;
  readonly header: readonly HeaderField[];
  readonly trailer: readonly HeaderField[];
  readonly payload: Uint8Array | undefined;
}
export interface CancelFrame {
  readonly kind: "cancel";
  readonly call: number;
}
export interface CreditFrame {
  readonly kind: "credit";
  readonly call: number;
  readonly messages: number;
  readonly bytes: number;
}
export interface AckFrame {
  readonly kind: "ack";
  readonly received: number;
  /** The number of the counted frame that comes next on this link; undefined: the numbers go on. */
  readonly from: number | undefined;
}
/** Values of `Topic.State`. Unspecified: a server went on over another link by itself, and says where it stands; a client says the same so. */
export const TOPIC_STANDS = 0;
export const TOPIC_LIVE = 1;
export const TOPIC_RESET = 2;
export interface TopicFrame {
  readonly kind: "topic";
  readonly call: number;
  readonly handle: number;
  readonly position: WirePosition | undefined;
  readonly state: number;
  /** From the server: headers of the response. */
  readonly header?: readonly HeaderField[] | undefined;
}
export interface PublicationFrame {
  readonly kind: "publication";
  readonly handle: number;
  readonly offset: number;
  readonly payload: Uint8Array;
}
export interface PingFrame {
  readonly kind: "ping";
  readonly id: number;
}
export interface PongFrame {
  readonly kind: "pong";
  readonly id: number;
}
export interface AuthFrame {
  readonly kind: "auth";
  readonly credential: string;
  readonly expiresMs: number;
}
export interface GoawayFrame {
  readonly kind: "goaway";
  readonly status: WireStatus | undefined;
  readonly retryAfterMs: number;
  readonly endpoints: readonly string[];
  readonly final: boolean;
}
/** A batch within the batch, or a dictionary. Sessions never see one: link-coding.ts puts in its place what it holds. */
export interface CodedFrame {
  readonly kind: "coded";
  /** Index into `WelcomeFrame.coders`. */
  readonly coder: number;
  readonly dictionary: number;
  readonly data: Uint8Array;
  readonly defines: number;
}

export type CountedFrame = OpenFrame | DataFrame | EndFrame | CancelFrame | CreditFrame;
export type Frame =
  | CountedFrame
  | HelloFrame
  | WelcomeFrame
  | AckFrame
  | TopicFrame
  | PublicationFrame
  | PingFrame
  | PongFrame
  | AuthFrame
  | GoawayFrame
  | CodedFrame;
export type FrameKind = Frame["kind"];

/** Numbers of the `Frame.kind` oneof; 3 to 7 are the counted ones. */
export const FRAME_NUMBER: Readonly<Record<FrameKind, number>> = {
  hello: 1,
  welcome: 2,
  open: 3,
  data: 4,
  end: 5,
  cancel: 6,
  credit: 7,
  ack: 8,
  topic: 9,
  publication: 10,
  ping: 11,
  pong: 12,
  auth: 13,
  goaway: 14,
  coded: 15,
};

/** Is it delivered exactly once, in order, whatever happens to links? */
export function isCounted(frame: Frame): frame is CountedFrame {
  const number = FRAME_NUMBER[frame.kind];
  return number >= 3 && number <= 7;
}
