// The fields of wire.proto as a table: what the binary and the text form of the rare frames are made from.
import { FRAME_NUMBER, type FrameKind } from "./frame.ts";

export type Scalar = "uint32" | "uint64" | "bool" | "string" | "bytes" | "state";
export interface Field {
  readonly no: number;
  /** Its name in frame.ts, which is its name in JSON. */
  readonly name: string;
  /** Its name in wire.proto, which readers of JSON must take too. */
  readonly protoName: string;
  readonly type: Scalar | Shape;
  /** "optional": undefined when absent, in place of a zero value. "list": repeated. "some": repeated, undefined when empty. */
  readonly presence: "" | "optional" | "list" | "some";
}
/** The fields of a message, by rising number. */
export type Shape = readonly Field[];

const field = (no: number, name: string, type: Scalar | Shape, presence: Field["presence"] = ""): Field => ({
  no,
  name,
  protoName: name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
  type,
  presence,
});

const window: Shape = [field(1, "messages", "uint32"), field(2, "bytes", "uint32")];
const header: Shape = [field(1, "key", "string"), field(2, "value", "string")];
const position: Shape = [field(1, "epoch", "string"), field(2, "offset", "uint64")];
const detail: Shape = [field(1, "typeUrl", "string"), field(2, "value", "bytes")];
const status: Shape = [field(1, "code", "uint32"), field(2, "message", "string"), field(3, "details", detail, "list")];
const call = field(1, "call", "uint32");
const id: Shape = [field(1, "id", "uint32")];

export const shapes: Readonly<Record<FrameKind, Shape>> = {
  hello: [
    field(1, "version", "uint32"),
    field(2, "codecs", "string", "list"),
    field(3, "session", "bytes"),
    field(4, "secret", "bytes"),
    field(5, "received", "uint64"),
    field(6, "credential", "string"),
    field(7, "window", window, "optional"),
    field(8, "agent", "string"),
    field(9, "header", header, "list"),
    field(10, "attempt", "uint32"),
    field(11, "coders", "string", "some"),
  ],
  welcome: [
    field(1, "version", "uint32"),
    field(2, "codec", "string"),
    field(3, "session", "bytes"),
    field(4, "secret", "bytes"),
    field(5, "received", "uint64"),
    field(6, "resumed", "bool"),
    field(7, "window", window, "optional"),
    field(8, "heartbeatMs", "uint32"),
    field(9, "silenceMs", "uint32"),
    field(10, "resumeMs", "uint32"),
    field(11, "maxMessageBytes", "uint32"),
    field(12, "transports", "string", "list"),
    field(13, "maxBatchBytes", "uint32"),
    field(14, "maxAgeMs", "uint32"),
    field(15, "node", "string"),
    field(16, "credentialMs", "uint32"),
    field(17, "coders", "string", "some"),
  ],
  open: [
    call,
    field(2, "method", "string"),
    field(3, "header", header, "list"),
    field(4, "timeoutMs", "uint32"),
    field(5, "idempotencyKey", "string"),
    field(6, "after", position, "optional"),
    field(7, "end", "bool"),
    field(8, "payload", "bytes", "optional"),
  ],
  data: [call, field(2, "payload", "bytes"), field(4, "header", header, "some")],
  end: [
    call,
    field(2, "status", status, "optional"),
    field(3, "header", header, "list"),
    field(4, "trailer", header, "list"),
    field(5, "payload", "bytes", "optional"),
  ],
  cancel: [call],
  credit: [call, field(2, "messages", "uint32"), field(3, "bytes", "uint32")],
  ack: [field(1, "received", "uint64"), field(2, "from", "uint64", "optional")],
  topic: [
    call,
    field(2, "handle", "uint32"),
    field(3, "position", position, "optional"),
    field(4, "state", "state"),
    field(5, "header", header, "some"),
  ],
  publication: [field(1, "handle", "uint32"), field(2, "offset", "uint64"), field(3, "payload", "bytes")],
  ping: id,
  pong: id,
  auth: [field(1, "credential", "string"), field(2, "expiresMs", "uint32")],
  goaway: [
    field(1, "status", status, "optional"),
    field(2, "retryAfterMs", "uint32"),
    field(3, "endpoints", "string", "list"),
    field(4, "final", "bool"),
  ],
  coded: [
    field(1, "coder", "uint32"),
    field(2, "dictionary", "uint32"),
    field(3, "data", "bytes"),
    field(4, "defines", "uint32"),
  ],
};

/** Numbers of the fields that take the place of the payload in text. In binary nobody reads them: passed over, a message would be lost in silence. */
export const textOnly: ReadonlyMap<Shape, number> = new Map([
  [shapes.open, 9],
  [shapes.data, 3],
  [shapes.end, 6],
  [shapes.publication, 4],
]);

/** Kinds by their number in `Frame.kind`; there is none at 0. */
export const kinds: readonly (FrameKind | undefined)[] = Object.entries(FRAME_NUMBER).reduce<FrameKind[]>(
  (all, [kind, number]) => {
    all[number] = kind as FrameKind;
    return all;
  },
  [],
);

/** A frame, or a message in one, while it is being read. */
export type Draft = Record<string, unknown>;

/** Most entries of a repeated field that are taken: the highest `limits.headerCount`, and a claim of a schema. Bounds what a batch of empty entries can grow to. */
export const MAX_ENTRIES = 10_001;

const zeros: Readonly<Record<Scalar, unknown>> = {
  uint32: 0,
  uint64: 0,
  bool: false,
  string: "",
  bytes: new Uint8Array(0),
  state: 0,
};
const empty: readonly unknown[] = Object.freeze([]);
const blanks = new Map<Shape | FrameKind, Draft>();

/** A new value with nothing in it: always the same keys in the same order, so that all frames of a kind have one hidden class. */
export function blank(of: Shape | FrameKind): Draft {
  let draft = blanks.get(of);
  if (draft === undefined) {
    draft = typeof of === "string" ? { kind: of } : {};
    for (const { name, type, presence } of typeof of === "string" ? shapes[of] : of) {
      draft[name] = presence === "list" ? empty : presence !== "" ? undefined : zeros[type as Scalar];
    }
    blanks.set(of, draft);
  }
  return { ...draft };
}

/** Adds an entry to a repeated field. False: there are too many. */
export function append(draft: Draft, name: string, entry: unknown): boolean {
  const list = draft[name] as unknown[] | undefined;
  if (list === undefined || list.length === 0) draft[name] = [entry];
  else list.push(entry);
  return list === undefined || list.length <= MAX_ENTRIES;
}
