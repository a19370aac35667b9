// Frames as text: one a line, in protobuf's JSON mapping of wire.proto. With a JSON codec payloads stand in it as they are, else in base64.
import { base64Decode, base64Encode } from "@bufbuild/protobuf/wire";
import { type Draft, type Field, type Shape, append, blank, shapes } from "./frame-fields.ts";
import { readFrames } from "./frame-reader.ts";
import { wholeParts } from "./frame-walk.ts";
import type { Frame, FrameKind } from "./frame.ts";
import { malformed } from "./varint.ts";

const STATES = ["STATE_UNSPECIFIED", "STATE_LIVE", "STATE_RESET"];
/** Depth of a frame's own fields: goaway.status.details[0].value. */
const FRAME_DEPTH = 5;
const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const strictDecoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** One frame as a line, "\n" included. `jsonPayload`: payloads are JSON already. */
export function frameToJson(frame: Frame, jsonPayload: boolean): string {
  if (
    jsonPayload &&
    frame.kind === "data" &&
    frame.call > 0 &&
    frame.payload.length > 0 &&
    frame.header === undefined
  ) {
    return `{"data":{"call":${frame.call},"json":${oneLine(decoder.decode(frame.payload))}}}\n`; // as below, only faster
  }
  return `{"${frame.kind}":${toJson(shapes[frame.kind], frame as unknown as Draft, jsonPayload)}}\n`;
}

function toJson(shape: Shape, value: Readonly<Draft>, jsonPayload: boolean): string {
  let text = "";
  for (const { name, type, presence } of shape) {
    const given = value[name];
    let shown: string;
    if (presence === "list" || presence === "some") {
      if (given === undefined || (given as readonly unknown[]).length === 0) continue;
      shown = `[${(given as readonly unknown[]).map((entry) => valueToJson(type, entry)).join(",")}]`;
    } else if (
      given === undefined ||
      (presence === "" && (type === "bytes" ? (given as Uint8Array).length === 0 : !given))
    ) {
      continue;
    } else if (jsonPayload && name === "payload" && (given as Uint8Array).length > 0) {
      text += `${text === "" ? "" : ","}"json":${oneLine(decoder.decode(given as Uint8Array))}`;
      continue;
    } else shown = valueToJson(type, given);
    text += `${text === "" ? "" : ","}"${name}":${shown}`;
  }
  return `{${text}}`;
}

function valueToJson(type: Field["type"], value: unknown): string {
  switch (type) {
    case "uint32":
    case "bool":
      return String(value);
    case "uint64":
      return `"${value as number}"`;
    case "string":
      return JSON.stringify(value);
    case "bytes":
      return `"${base64Encode(value as Uint8Array)}"`;
    case "state":
      return STATES[value as number] === undefined ? String(value) : `"${STATES[value as number]}"`;
    default:
      return toJson(type, value as Draft, false);
  }
}

/** Line breaks in JSON are only ever white space; in a batch they would end the frame. */
function oneLine(json: string): string {
  return json.includes("\n") || json.includes("\r") ? json.replace(/[\r\n]/g, " ") : json;
}

/** Text of parts that hold nothing but publications: such a part goes to many links, and is turned into text once per kind of payload. */
const sharedText = { json: new WeakMap<Uint8Array, Uint8Array>(), base64: new WeakMap<Uint8Array, Uint8Array>() };

/** A binary batch as text. Parts of a fan-out stay parts of their own. */
export function partsToJson(parts: readonly Uint8Array[], jsonPayload: boolean): Uint8Array[] {
  const cache = jsonPayload ? sharedText.json : sharedText.base64;
  const texts: Uint8Array[] = [];
  for (const part of wholeParts(parts)) {
    let bytes = cache.get(part);
    if (bytes === undefined) {
      let text = "";
      let shared = true;
      readFrames(part, (frame) => {
        text += frameToJson(frame, jsonPayload);
        shared &&= frame.kind === "publication";
      });
      bytes = encoder.encode(text);
      if (shared) cache.set(part, bytes);
    }
    texts.push(bytes);
  }
  return texts;
}

/**
 * Reads the frames of a text batch. Unknown fields and kinds are passed over. Throws `frame_malformed`; what was read before has been
 * handed over by then. `jsonDepth` counts from the payload on, so that both forms take the same payloads.
 */
export function readJsonFrames(
  batch: Uint8Array,
  limits: { readonly jsonDepth: number },
  each: (frame: Frame) => void,
): void {
  for (let from = 0; from < batch.length;) {
    let to = batch.indexOf(10, from);
    if (to < 0) to = batch.length;
    const frame = to > from ? readLine(batch, from, to, Math.max(limits.jsonDepth + 2, FRAME_DEPTH)) : undefined;
    from = to + 1;
    if (frame !== undefined) each(frame);
  }
}

function readLine(batch: Uint8Array, from: number, to: number, maxDepth: number): Frame | undefined {
  const payload = scan(batch, from, to, maxDepth);
  let value: unknown;
  try {
    // A payload that was found is not parsed here but by the codec, once; a number stands for it.
    value = JSON.parse(
      payload === undefined
        ? strictDecoder.decode(batch.subarray(from, to))
        : `${strictDecoder.decode(batch.subarray(from, payloadFrom))}0${strictDecoder.decode(batch.subarray(payloadTo, to))}`,
    );
  } catch {
    throw malformed(from, "not JSON");
  }
  if (!isObject(value)) throw malformed(from, "not a JSON object");
  let frame: Frame | undefined;
  for (const kind of Object.keys(value)) {
    const message = value[kind];
    if (!Object.hasOwn(shapes, kind) || message === null) continue;
    if (frame !== undefined) throw malformed(from, "a frame with two kinds");
    frame = fromJson(
      shapes[kind as FrameKind],
      message,
      blank(kind as FrameKind),
      kind,
      from,
      payload,
    ) as unknown as Frame;
  }
  return frame;
}

/** Reads a message into a blank one. `path` names the place in errors; `payload` is where the text of `json` is, if that is known. */
function fromJson(
  shape: Shape,
  value: unknown,
  draft: Draft,
  path: string,
  at: number,
  payload: Uint8Array | undefined,
): Draft {
  if (!isObject(value)) throw malformed(at, `${path} is not an object`);
  for (const { name, protoName, type, presence } of shape) {
    const given = value[name] ?? value[protoName];
    if (name === "payload" && value["json"] !== undefined) {
      if (given !== undefined && given !== null) throw malformed(at, `${path} has both payload and json`);
      draft[name] = payload ?? encoder.encode(JSON.stringify(value["json"]));
    } else if (given === undefined || given === null) continue;
    else if (presence === "list" || presence === "some") {
      if (!Array.isArray(given)) throw malformed(at, `${path}.${name} is not a list`);
      for (const entry of given)
        if (!append(draft, name, valueFromJson(type, entry, path, name, at)))
          throw malformed(at, `${path}.${name} has too many entries`);
    } else draft[name] = valueFromJson(type, given, path, name, at);
  }
  return draft;
}

function valueFromJson(type: Field["type"], value: unknown, path: string, name: string, at: number): unknown {
  switch (type) {
    case "uint32":
    case "uint64":
    case "state": {
      // The name of a state that is not known here counts as none, as protobuf has it where unknown fields are passed over.
      if (type === "state" && typeof value === "string") return Math.max(0, STATES.indexOf(value));
      // Numbers may come as numbers or as decimal strings, with a fraction or exponent as long as they are whole.
      const number = typeof value === "string" && /^\d+(\.\d+)?(e[+-]?\d+)?$/i.test(value) ? Number(value) : value;
      const max = type === "uint64" ? Number.MAX_SAFE_INTEGER : 0xffff_ffff;
      if (Number.isInteger(number) && (number as number) >= 0 && (number as number) <= max)
        return (number as number) + 0; // no -0
      throw malformed(at, `${path}.${name} is not a whole number up to ${max}`);
    }
    case "bool":
      if (typeof value === "boolean") return value;
      break;
    case "string":
      if (typeof value === "string") return value;
      break;
    case "bytes":
      if (typeof value === "string") {
        try {
          return base64Decode(value);
        } catch {
          throw malformed(at, `${path}.${name} is not base64`);
        }
      }
      break;
    default:
      return fromJson(type, value, blank(type), `${path}.${name}`, at, undefined);
  }
  throw malformed(at, `${path}.${name} is not of type ${type}`);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

// What `scan` found last.
let payloadFrom = 0;
let payloadTo = 0;

const STRING = 1;
const DEEPER = 2;
const HIGHER = 3;
const COLON = 4;
const COMMA = 5;
/** The bytes that give JSON its structure. */
const structure = new Uint8Array(256);
for (const [index, letters] of ['"', "{[", "}]", ":", ","].entries())
  for (const letter of letters) structure[letter.charCodeAt(0)] = index + 1;
const QUOTE = 34;
const BACKSLASH = 92;

/**
 * Goes over a line before it is parsed: bounds its depth, and finds the text of the member `json` of a frame, which is the payload as
 * it was sent. Undefined if there is none, or not exactly one frame with exactly one; then what the parser made of it is written anew.
 */
function scan(bytes: Uint8Array, from: number, to: number, maxDepth: number): Uint8Array | undefined {
  let depth = 0;
  let kinds = 0;
  let found = 0;
  let start = 0;
  let stop = 0; // 0: not yet
  let isJson = false; // the last string at depth 2 was "json"
  for (let at = from; at < to; at++) {
    const sign = structure[bytes[at]!]!;
    if (sign === 0) continue;
    if (sign === STRING) {
      const begin = ++at;
      for (; at < to; at++) {
        const byte = bytes[at];
        if (byte === QUOTE) break;
        if (byte === BACKSLASH) at++;
      }
      if (depth === 2)
        isJson =
          at - begin === 4 &&
          bytes[begin] === 106 &&
          bytes[begin + 1] === 115 &&
          bytes[begin + 2] === 111 &&
          bytes[begin + 3] === 110;
    } else if (sign === DEEPER) {
      if (++depth > maxDepth) throw malformed(at, `JSON is deeper than ${maxDepth - 2} in a payload`);
    } else if (sign === HIGHER) {
      if (--depth === 1 && start > 0 && stop === 0) stop = at;
    } else if (sign === COLON) {
      if (depth === 1) kinds++;
      else if (depth === 2 && isJson) {
        found++;
        start = at + 1;
        stop = 0;
        isJson = false;
      }
    } else if (sign === COMMA && depth === 2 && start > 0 && stop === 0) stop = at;
  }
  if (found !== 1 || kinds !== 1 || stop === 0) return undefined;
  payloadFrom = start;
  payloadTo = stop;
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, stop - start);
}
