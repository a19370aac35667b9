// A link: one opened transport under a session. A pipe of batches, in order, that may die at any time.
//
// Rules that hold for both ends, each a case of the compliance kit:
// - The transport hands a link over by calling `opened(link)` exactly once, and gets the receiver back.
// - No method of the receiver is called before `opened` returned, nor from inside any method of the link.
// - Batches arrive whole and in order, or the link dies: nothing may be missing, repeated or split.
// - `closed` is called exactly once, and nothing after it. A link that was closed by its own end gets `closed` too.
import type { ConnectError } from "@connectrpc/connect";

/** What a transport can do. Data, not promises: the kit chooses its cases by them. */
export interface LinkTraits {
  /** Carries any byte. If false, batches must be text (JSON frames), and are handed over as UTF-8. */
  readonly binary: boolean;
  /** Both sides can send at any time without a new request. */
  readonly duplex: boolean;
  /** The server can send without being asked. If false (short polling), its batches wait for the client's next request. */
  readonly push: boolean;
  /** Largest batch, in bytes. The session cuts before; a link closes itself with `batch_too_large` if one is larger. */
  readonly maxBatchBytes: number;
}

/** Who is at the other end. */
export interface Peer {
  /** Network address without port, "" if there is none. */
  readonly address: string;
  /** Value of a header of the request which opened the link; keys in lower case. */
  header(name: string): string | undefined;
  /** Transport security on this hop. */
  readonly secure: boolean;
  /** Which certificate the client showed on this hop; the same object for all that comes over one connection. Undefined: none, or none was asked for. */
  readonly certificate?: PeerCertificate | undefined;
}

/** A client's certificate, as the TLS handshake left it. */
export interface PeerCertificate {
  /** The certificate itself, without those of its issuers; X.509 in DER. */
  readonly der: Uint8Array;
  /** Why the server's TLS does not trust it: OpenSSL's name of the error. Undefined: it comes from one of the issuers (`ca`) that the server trusts, and was good at the handshake. */
  readonly problem: string | undefined;
}

/** One end of an opened transport, as the session uses it. */
export interface Link {
  /** Name of the transport. */
  readonly transport: string;
  readonly traits: LinkTraits;
  readonly peer: Peer;
  /** Bytes taken by `send` and not yet given to the network; returns to 0. */
  readonly buffered: number;
  /**
   * Sends one batch: the concatenation of the parts. Called by the session at most once per flush, also from inside `opened`.
   * Takes the parts over, must not change them: the same array may be sent on many links. Never throws, never calls the receiver.
   * False: the batch was taken, but stop until `drain`. On a closed link it does nothing and returns false.
   */
  send(parts: readonly Uint8Array[]): boolean;
  /** Stop calling `batch` as soon as possible; the peer should feel it. A few batches may still come. */
  pause(): void;
  /** Undoes `pause`. */
  resume(): void;
  /** Ends the link. What was sent before is still delivered if the transport can, unless an error is given. Idempotent. */
  close(error?: ConnectError): void;
}

/** What the session gives to the transport, to be called by it. */
export interface LinkReceiver {
  /** One whole batch. The bytes belong to the receiver from now on: never reuse the buffer. */
  batch(bytes: Uint8Array): void;
  /**
   * Bytes came in that make no whole batch yet: the peer lives, however slow the way. Called as often as the transport likes, if it can tell;
   * a batch says the same by itself.
   */
  heard?(): void;
  /** After a `send` that returned false: there is room again. */
  drain(): void;
  /** The link is over. Undefined: closed in good order by either end. Once, and last. */
  closed(error: ConnectError | undefined): void;
}

/** Called by the transport, once per link, when it can carry batches. */
export type LinkOpened = (link: Link) => LinkReceiver;
