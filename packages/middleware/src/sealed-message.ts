// Seals a message into its field of type `raceway.v1.Sealed`, and opens it; bound to where it is sent.
import { type DescField, type DescMessage, type MessageShape, create, isMessage } from "@bufbuild/protobuf";
import { ConnectError } from "@connectrpc/connect";
import { fail, protoCodec } from "@raceway/core";
import { fieldOfType } from "./signature.ts";

/** AES-256-GCM. The associated data is authenticated, and not part of what it gives. */
export interface Cipher {
  seal(nonce: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>, plain: Uint8Array): Eventually<Uint8Array>;
  /** Throws, or rejects, if any of it is not what was sealed. */
  open(nonce: Uint8Array<ArrayBuffer>, data: Uint8Array<ArrayBuffer>, sealed: Uint8Array): Eventually<Uint8Array>;
}
type Eventually<T> = T | Promise<T>;

/** Where a message is sent: to the address of a topic, or as request or response of a channel ("/package.Service/Method"). */
export type Place = { readonly topic: string } | { readonly request: string } | { readonly response: string };

/** 96 bits, the size that GCM is made for (NIST SP 800-38D, 8.2.2). */
const NONCE_BYTES = 12;

const codec = protoCodec();
const encoder = new TextEncoder();

interface SealedValue {
  readonly keyId: string;
  readonly nonce: Uint8Array<ArrayBuffer>;
  readonly ciphertext: Uint8Array;
}

/** Where messages of a type are sealed into; undefined: they cannot be. */
export function sealedField(desc: DescMessage): (DescField & { readonly message: DescMessage }) | undefined {
  return fieldOfType(desc, "raceway.v1.Sealed");
}

/** What seals and opens messages, by whatever cipher there is. */
export class Vault {
  readonly #ciphers: ReadonlyMap<string, Cipher>;
  readonly #use: (() => string) | undefined;
  readonly #bytes: (length: number) => Uint8Array;

  constructor(
    ciphers: ReadonlyMap<string, Cipher>,
    use: (() => string) | undefined,
    bytes: (length: number) => Uint8Array,
  ) {
    this.#ciphers = ciphers;
    this.#use = use;
    this.#bytes = bytes;
  }

  /** The same keys, with chance from elsewhere. */
  withRandom(bytes: (length: number) => Uint8Array): Vault {
    return new Vault(this.#ciphers, this.#use, bytes);
  }

  /** It has a key to seal with. */
  get seals(): boolean {
    return this.#use !== undefined;
  }

  /** A message of the same type in which nothing but the sealed field is set. What is sealed already, by whomever, is left as it is. */
  seal<D extends DescMessage>(desc: D, given: MessageShape<D> | object, place: Place): Eventually<MessageShape<D>> {
    const field = fieldOf(desc);
    const message = isMessage(given, desc) ? given : create(desc, given as never);
    if ((message as Readonly<Record<string, unknown>>)[field.localName] !== undefined) return message;
    const keyId = this.#use?.() ?? "";
    const cipher = this.#ciphers.get(keyId);
    if (cipher === undefined) throw fail("sealed_key_unknown", { ...named(desc, place), key: keyId });
    const nonce = new Uint8Array(this.#bytes(NONCE_BYTES));
    const finish = (ciphertext: Uint8Array): MessageShape<D> => {
      const sealed: object = create(field.message, { keyId, nonce, ciphertext });
      return create(desc, { [field.localName]: sealed } as never);
    };
    const sealing = cipher.seal(nonce, bound(desc, place, keyId), codec.of(desc).encode(message as never));
    return sealing instanceof Promise ? sealing.then(finish) : finish(sealing);
  }

  /** The message that was sealed. Throws, or rejects with, `sealed_missing`, `sealed_key_unknown`, `sealed_invalid`, `payload_malformed`. */
  open<D extends DescMessage>(desc: D, message: MessageShape<D>, place: Place): Eventually<MessageShape<D>> {
    const field = fieldOf(desc);
    const sealed = (message as Readonly<Record<string, unknown>>)[field.localName] as SealedValue | undefined;
    const where = named(desc, place);
    if (sealed === undefined) throw fail("sealed_missing", where);
    const { keyId, nonce, ciphertext } = sealed;
    const cipher = this.#ciphers.get(keyId);
    if (cipher === undefined) throw fail("sealed_key_unknown", { ...where, key: keyId.slice(0, 64) });
    // Whoever has the key made it so. What cannot be read is of another schema, and not altered.
    const finish = (plain: Uint8Array): MessageShape<D> => codec.of(desc).decode(plain);
    const refused = (): never => {
      throw fail("sealed_invalid", where);
    };
    if (nonce.length !== NONCE_BYTES) return refused();
    try {
      const opening = cipher.open(nonce, bound(desc, place, keyId), ciphertext);
      return opening instanceof Promise ? opening.then(finish, refused) : finish(opening);
    } catch (error) {
      return error instanceof ConnectError ? refuse(error) : refused();
    }
  }
}

function refuse(error: ConnectError): never {
  throw error;
}

function fieldOf(desc: DescMessage): NonNullable<ReturnType<typeof sealedField>> {
  const field = sealedField(desc);
  if (field === undefined)
    throw fail("option_invalid", {
      part: "encryption",
      option: "message",
      value: desc.typeName,
      expected: "a type with a field of type raceway.v1.Sealed",
    });
  return field;
}

/** What a sealed message is bound to: it opens nowhere else. Lines of text. */
function bound(desc: DescMessage, place: Place, keyId: string): Uint8Array<ArrayBuffer> {
  const [[kind, name]] = Object.entries(place) as [[string, string]];
  return encoder.encode(["raceway-sealed-1", kind, name, desc.typeName, keyId].join("\n"));
}

function named(desc: DescMessage, place: Place): { readonly type: string; readonly where: string } {
  return { type: desc.typeName, where: Object.values(place)[0]!.slice(0, 256) };
}
