// What the relay says: messages of a small JSON head and raw bytes, each part behind its length (two times four bytes, big-endian).
import { ConnectError } from "@connectrpc/connect";
import type { LinkTraits } from "@raceway/core";
import { errorOf, statusOf } from "@raceway/core/internal";

/** An error on its way; details are not lost, so its reason stays. */
export interface RelayedError {
  readonly code: number;
  readonly message: string;
  readonly details: readonly { readonly typeUrl: string; readonly value: readonly number[] }[];
}

/** From the relay: what happened. `served` is the number that the page gave to a served transport, `link` counts from 1 in each. */
export type RelayEvent = { readonly served: number } & (
  | { readonly kind: "page"; readonly page: number }
  | { readonly kind: "served"; readonly url: string; readonly path: string }
  | { readonly kind: "refused"; readonly detail: string }
  | { readonly kind: "ended" }
  | LinkEvent
);
export type LinkEvent = { readonly link: number } & (
  | {
      readonly kind: "opened";
      readonly transport: string;
      readonly traits: LinkTraits;
      readonly address: string;
      readonly secure: boolean;
    }
  | { readonly kind: "batch" | "drain" }
  | { readonly kind: "closed"; readonly error?: RelayedError | undefined }
  /** The link holds nothing any more. */
  | { readonly kind: "empty" }
  /** So many bytes of a `send` command were given to the link; what it holds of all now, and what it said. */
  | { readonly kind: "sent"; readonly bytes: number; readonly buffered: number; readonly room: boolean }
);

/** To the relay: what to serve, and what the links are to do. */
export type RelayCommand = { readonly served: number } & (
  | { readonly kind: "serve"; readonly transport: string }
  | { readonly kind: "end" }
  | { readonly kind: "cut"; readonly afterBytes?: number | undefined }
  | LinkCommand
);
export type LinkCommand = { readonly link: number } & (
  | { readonly kind: "send" | "pause" | "resume" }
  | { readonly kind: "close"; readonly error?: RelayedError | undefined }
);

export interface Message<H> {
  readonly head: H;
  readonly bytes: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const HEAD_BYTES = 8;

export function encodeMessage(
  head: RelayEvent | RelayCommand,
  bytes: Uint8Array = new Uint8Array(0),
): Uint8Array<ArrayBuffer> {
  const json = encoder.encode(JSON.stringify(head));
  const message = new Uint8Array(HEAD_BYTES + json.length + bytes.length);
  const view = new DataView(message.buffer);
  view.setUint32(0, json.length);
  view.setUint32(4, bytes.length);
  message.set(json, HEAD_BYTES);
  message.set(bytes, HEAD_BYTES + json.length);
  return message;
}

/** Reads messages from chunks that end anywhere. */
export class MessageReader<H> {
  #chunks: Uint8Array[] = [];
  #bytes = 0;

  *read(chunk: Uint8Array): Generator<Message<H>> {
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
    for (;;) {
      if (this.#bytes < HEAD_BYTES) return;
      if ((this.#chunks[0]?.length ?? 0) < HEAD_BYTES) this.#chunks = [joined(this.#chunks, this.#bytes)];
      const first = this.#chunks[0] ?? chunk;
      const view = new DataView(first.buffer, first.byteOffset, HEAD_BYTES);
      const json = HEAD_BYTES + view.getUint32(0);
      const end = json + view.getUint32(4);
      if (this.#bytes < end) return; // chunks of one message are joined once, when it is complete
      const whole = joined(this.#chunks, this.#bytes);
      this.#chunks = [whole.subarray(end)];
      this.#bytes -= end;
      yield { head: JSON.parse(decoder.decode(whole.subarray(HEAD_BYTES, json))) as H, bytes: whole.slice(json, end) };
    }
  }
}

export function joined(parts: readonly Uint8Array[], bytes: number): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(bytes);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function relayedError(error: ConnectError): RelayedError;
export function relayedError(error: ConnectError | undefined): RelayedError | undefined;
export function relayedError(error: ConnectError | undefined): RelayedError | undefined {
  if (error === undefined) return undefined;
  const { code, message, details } = statusOf(ConnectError.from(error));
  return { code, message, details: details.map(({ typeUrl, value }) => ({ typeUrl, value: Array.from(value) })) };
}

export function errorFrom(error: RelayedError | undefined): ConnectError | undefined {
  return (
    error &&
    errorOf({
      ...error,
      details: error.details.map(({ typeUrl, value }) => ({ typeUrl, value: Uint8Array.from(value) })),
    })
  );
}
